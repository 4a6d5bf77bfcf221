// A key of this browser: P-256, made here, never readable again, kept in IndexedDB under the id of the passkey
// it stands beside. It signs what a synced passkey alone may not.
const database = 'kozamori';
const store = 'browser-keys';
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, act) {
  const db = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = db.transaction(store, mode);
      const request = act(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    db.close();
  }
}

export function encode(bytes) {
  let text = '';
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function decode(text) {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
}

// make creates the key under an id and returns its public half: base64url SPKI.
export async function make(id) {
  const pair = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  await inStore('readwrite', (keys) => keys.put(pair, id));
  await navigator.storage?.persist?.();
  return encode(await crypto.subtle.exportKey('spki', pair.publicKey));
}

// sign signs bytes with the key of an id (ECDSA with SHA-256): base64url r||s; null where this browser has none.
export async function sign(id, bytes) {
  const pair = await inStore('readonly', (keys) => keys.get(id));
  if (!pair) return null;
  return encode(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, bytes));
}
