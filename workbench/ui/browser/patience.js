// anywidget gives a widget 2 s to load its code. One that needs longer, in a browser that is busy, would never again hear
// from Python, and nobody could tell. So those 2 s never end; other waits stay as they are.
(() => {
  const usual = AbortSignal.timeout;
  const never = () => new AbortController().signal;
  AbortSignal.timeout = (ms) => (ms === 2000 ? never() : usual.call(AbortSignal, ms));
})();
