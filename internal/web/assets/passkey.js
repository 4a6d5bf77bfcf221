// A form with a ceremony asks the device before it is sent: a passkey is made or used, and the browser's own
// key beside it where asked. The answers travel as hidden fields of the same form. Its button comes disabled and
// can be pressed once this module listens: a press before would send the form unsigned.
import { make, sign, decode } from './browserkey.js';

class NoKey extends Error {}

async function credential(box) {
  const given = JSON.parse(box.dataset.options);
  const options = given.publicKey ?? given;
  if (box.dataset.ceremony === 'create') {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
}

async function perform(box, form) {
  const made = await credential(box);
  const set = (name, value) => { box.querySelector(`input[name="${name}"]`).value = value; };
  set('credential', JSON.stringify(made.toJSON()));
  if (box.dataset.browserKey === 'make') {
    set('browser_key', await make(made.id));
  } else if (box.dataset.browserKey === 'sign') {
    const signature = await sign(made.id, decode(box.dataset.challenge));
    if (signature === null) throw new NoKey();
    set('browser_signature', signature);
  }
}

function words(box, error) {
  if (error instanceof NoKey) return box.dataset.nokey;
  switch (error?.name) {
    case 'NotAllowedError':
    case 'AbortError':
      return box.dataset.cancelled;
    case 'InvalidStateError':
      return box.dataset.exists;
    case 'NotSupportedError':
      return box.dataset.nosupport;
  }
  return box.dataset.failed;
}

export function attach(box) {
  const form = box.closest('form');
  const message = box.querySelector('[role=alert]');
  const tell = (text) => {
    message.textContent = text;
    message.hidden = text === '';
  };
  let running = false;
  form.addEventListener('submit', async (event) => {
    if (box.dataset.done || event.submitter?.formNoValidate) return; // "do not": nothing to prove
    event.preventDefault();
    if (running) return;
    if (!globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON) {
      tell(box.dataset.nosupport);
      return;
    }
    running = true;
    tell('');
    try {
      await perform(box, form);
      box.dataset.done = 'yes';
      form.requestSubmit(event.submitter);
    } catch (error) {
      tell(words(box, error));
    } finally {
      running = false;
    }
  });
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) delete box.dataset.done; // an answer is good for one sending
  });
  box.dataset.ready = 'yes'; // the hint that it takes long goes away
  for (const button of form.querySelectorAll('button[disabled]')) button.disabled = false;
}
