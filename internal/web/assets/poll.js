// A region that keeps itself fresh: <div id="state" data-poll="/page" data-every="2" aria-live="polite">. Its
// address answers a page that holds the region of the same id; when that one no longer has data-poll, the
// matter is settled and asking ends. data-go on the new region leads to another page of this site.
const slowest = 30;

export function attach(region) {
  let every = Number(region.dataset.every) || 2;
  const again = () => setTimeout(ask, every * 1000);
  async function ask() {
    if (document.hidden) {
      document.addEventListener('visibilitychange', ask, { once: true });
      return;
    }
    try {
      const answer = await fetch(region.dataset.poll, { headers: { accept: 'text/html' } });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.getElementById(region.id);
      if (!answer.ok || !fresh) throw new Error('no region');
      every = Number(fresh.dataset.every) || every;
      if (fresh.dataset.go?.startsWith('/') && !fresh.dataset.go.startsWith('//')) {
        location.assign(fresh.dataset.go);
        return;
      }
      if (fresh.innerHTML !== region.innerHTML) region.replaceChildren(...fresh.childNodes);
      if (!('poll' in fresh.dataset)) return;
    } catch {
      every = Math.min(every * 2, slowest);
    }
    again();
  }
  again();
}
