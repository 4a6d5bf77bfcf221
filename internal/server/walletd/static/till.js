// Reads a payment code with the camera where the browser can (BarcodeDetector); a hand scanner types like a
// keyboard and needs nothing of this.
const formats = ['qr_code', 'code_128'];

async function usable() {
  if (!('BarcodeDetector' in globalThis) || !navigator.mediaDevices?.getUserMedia) return false;
  const known = await BarcodeDetector.getSupportedFormats();
  return formats.some((format) => known.includes(format));
}

// read resolves with the first code the camera sees, or null after a minute.
async function read(video) {
  const detector = new BarcodeDetector({ formats });
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  try {
    video.srcObject = stream;
    video.hidden = false;
    await video.play();
    for (const end = performance.now() + 60_000; performance.now() < end;) {
      const [found] = await detector.detect(video);
      if (found) return found.rawValue;
      await new Promise((resolve) => { setTimeout(resolve, 120); });
    }
    return null;
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    video.hidden = true;
  }
}

async function attach(box) {
  if (!await usable()) return;
  box.hidden = false;
  const hint = box.querySelector('[role=status]');
  const words = hint.textContent;
  const button = box.querySelector('button');
  button.addEventListener('click', async () => {
    button.disabled = true;
    hint.textContent = words;
    hint.hidden = false;
    try {
      const code = await read(box.querySelector('video'));
      if (code) {
        const field = document.getElementById(box.dataset.scan);
        field.value = code;
        field.focus();
      }
      hint.hidden = true;
    } catch {
      hint.textContent = box.dataset.nocamera;
    } finally {
      button.disabled = false;
    }
  });
}

document.querySelectorAll('[data-scan]').forEach(attach);
