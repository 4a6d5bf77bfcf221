// Package breaktest breaks things on purpose, over the roles as they run: processes are killed, the line between
// them loses, doubles and delays, keys are stolen. Whatever happens, no yen is lost, doubled or moved without
// its owner. It holds nothing but tests; docs/reliability.md says which of them shows what.
package breaktest
