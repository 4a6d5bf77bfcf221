// An input that offers a list while typing (ARIA combobox). The list comes from a page of this site as JSON:
// [{value, label, note, url}]. Choosing an entry with a url goes there; otherwise its value is sent beside
// the text, as NAME_choice. Without this script the text alone is sent.
const pause = 150;
let made = 0;

export function attach(input) {
  const list = document.createElement('ul');
  list.className = 'suggest-list';
  list.id = `suggest-${++made}`;
  list.hidden = true;
  list.setAttribute('role', 'listbox');
  list.setAttribute('aria-label', input.labels?.[0]?.textContent ?? '');
  const typing = document.activeElement === input; // who is quick has begun before this script was there
  const wrap = document.createElement('div');
  wrap.className = 'suggest';
  input.replaceWith(wrap);
  wrap.append(input, list);
  const choice = document.createElement('input');
  choice.type = 'hidden';
  choice.name = `${input.name}_choice`;
  wrap.append(choice);
  input.setAttribute('role', 'combobox');
  input.setAttribute('aria-autocomplete', 'list');
  input.setAttribute('aria-controls', list.id);
  input.setAttribute('aria-expanded', 'false');

  let entries = [];
  let at = -1;
  let timer;
  let request;

  const mark = (index) => {
    at = index;
    [...list.children].forEach((item, i) => item.setAttribute('aria-selected', String(i === at)));
    if (at >= 0) {
      input.setAttribute('aria-activedescendant', list.children[at].id);
      list.children[at].scrollIntoView({ block: 'nearest' });
    } else {
      input.removeAttribute('aria-activedescendant');
    }
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    mark(-1);
  };
  const choose = (entry) => {
    if (entry.url?.startsWith('/') && !entry.url.startsWith('//')) {
      location.assign(entry.url);
      return;
    }
    input.value = entry.label;
    choice.value = entry.value ?? '';
    close();
  };
  const show = (found) => {
    entries = found;
    list.replaceChildren(...found.map((entry, i) => {
      const item = document.createElement('li');
      item.id = `${list.id}-${i}`;
      item.setAttribute('role', 'option');
      const label = document.createElement('span');
      label.textContent = entry.label;
      const note = document.createElement('small');
      note.textContent = entry.note ?? '';
      item.append(label, note);
      item.addEventListener('pointerdown', (event) => event.preventDefault());
      item.addEventListener('click', () => choose(entry));
      return item;
    }));
    list.hidden = found.length === 0;
    input.setAttribute('aria-expanded', String(found.length > 0));
    mark(-1);
  };
  const ask = async () => {
    request?.abort();
    const q = input.value.trim();
    if (q === '') {
      close();
      return;
    }
    request = new AbortController();
    const url = new URL(input.dataset.suggest, location.origin);
    url.searchParams.set('q', q);
    try {
      const answer = await fetch(url, { signal: request.signal, headers: { accept: 'application/json' } });
      if (answer.ok) show(await answer.json());
    } catch (error) {
      if (error.name !== 'AbortError') close();
    }
  };

  const soon = () => {
    choice.value = '';
    clearTimeout(timer);
    timer = setTimeout(ask, pause);
  };
  input.addEventListener('input', soon);
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (event.isComposing || list.hidden) return;
    switch (event.key) {
      case 'ArrowDown':
        mark((at + 1) % entries.length);
        break;
      case 'ArrowUp':
        mark((at - 1 + entries.length) % entries.length);
        break;
      case 'Enter':
        if (at < 0) return;
        choose(entries[at]);
        break;
      case 'Escape':
        close();
        break;
      default:
        return;
    }
    event.preventDefault();
  });
  if (typing) {
    input.focus();
    soon();
  }
}
