// A form is sent once: a second press does nothing, and after 300 ms the button shows that something happens.
const shownAfter = 300;

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = 'yes';
  const button = event.submitter ?? form.querySelector('button');
  setTimeout(() => {
    form.setAttribute('aria-busy', 'true');
    if (!button || button.querySelector('.spin')) return;
    const spin = document.createElement('span');
    spin.className = 'spin';
    spin.setAttribute('aria-hidden', 'true');
    button.prepend(spin);
    button.setAttribute('aria-disabled', 'true');
  }, shownAfter);
});

// Back from the history, the form may be sent again.
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll('form[data-sent]')) {
    delete form.dataset.sent;
    form.removeAttribute('aria-busy');
    form.querySelectorAll('.spin').forEach((spin) => spin.remove());
    form.querySelectorAll('[aria-disabled]').forEach((button) => button.removeAttribute('aria-disabled'));
  }
});
