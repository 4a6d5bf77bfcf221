// Time that runs out: <div data-countdown="58" data-of="60" data-over="id"> with a <progress> and a [data-left]
// inside. The seconds are what the server says is left, so the clocks need not agree. At the end the element
// of id data-over is shown, and whatever has data-until is hidden.
export function attach(box) {
  const end = performance.now() + Number(box.dataset.countdown) * 1000;
  const bar = box.querySelector('progress');
  const left = box.querySelector('[data-left]');
  if (bar) bar.max = Number(box.dataset.of) || Number(box.dataset.countdown);
  const tick = () => {
    const seconds = Math.max(0, (end - performance.now()) / 1000);
    if (bar) bar.value = seconds;
    if (left) left.textContent = String(Math.ceil(seconds));
    if (seconds > 0) {
      setTimeout(tick, 250);
      return;
    }
    document.querySelectorAll('[data-until]').forEach((part) => { part.hidden = true; });
    const over = document.getElementById(box.dataset.over ?? '');
    if (over) over.hidden = false;
  };
  tick();
}
