// anywidget gives a widget 2 s to load its code. One that needs longer, in a browser that is busy, would never again hear
// from Python, and nobody could tell. So those 2 s never end; other waits stay as they are.
(() => {
  const usual = AbortSignal.timeout;
  const never = () => new AbortController().signal;
  AbortSignal.timeout = (ms) => (ms === 2000 ? never() : usual.call(AbortSignal, ms));
})();
// ipywidgets gives Python 4 s to send the state of all widgets, and asks for one after the other when it comes later: on a
// busy machine hundreds of questions, and a page that never opens. It has a minute and a half here.
(() => {
  const usual = window.setTimeout;
  const hurry = (call, ms) => ms === 4000 && String(call).includes("Control comm");
  window.setTimeout = (call, ms, ...rest) => usual.call(window, call, hurry(call, ms) ? 90_000 : ms, ...rest);
})();
