// Package browsertest walks through the pages of all roles with a person's hands: a real Chromium, a phone's
// width, a virtual passkey, and nothing that a person would not see. Every page on the way is checked in both
// languages, at phone and desk width, for what keeps people out (axe-core), for what sticks out or is too small to press, and
// for whatever the browser complains about. It holds nothing but tests.
package browsertest
