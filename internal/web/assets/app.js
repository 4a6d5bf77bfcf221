// What every page loads: each part starts only where the page asks for it with a data attribute.
import './busy.js';

const parts = {
  '[data-ceremony]': './passkey.js',
  '[data-suggest]': './suggest.js',
  '[data-poll]': './poll.js',
  '[data-countdown]': './countdown.js',
};

for (const [selector, module] of Object.entries(parts)) {
  const found = document.querySelectorAll(selector);
  if (found.length > 0) {
    import(module).then(({ attach }) => found.forEach(attach));
  }
}

// A page that came back with mistakes is read from the summary of the mistakes.
document.querySelector('[data-focus]')?.focus();
