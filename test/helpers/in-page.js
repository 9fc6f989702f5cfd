// What tests ask of a page, in the page: helpers/browser.ts puts these functions into every window.

/** How many colours each canvas of a selection has. */
globalThis.coloursOf = (selector) =>
  [...document.querySelectorAll(selector)].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0) colours.add((data[i] << 16) + (data[i + 1] << 8) + data[i + 2]);
    return colours.size;
  });

/** The name of what has the focus, and how wide its outline is; null for nothing. */
globalThis.focused = () => {
  const node = document.activeElement;
  if (node === document.body) return null;
  return { id: node.id, name: node.getAttribute('aria-label') ?? node.textContent ?? '', outline: getComputedStyle(node).outlineWidth };
};

/** What can be used and has no name. */
globalThis.nameless = () =>
  [...document.querySelectorAll('button, a, input, select, summary, canvas:not([aria-hidden])')]
    .filter((node) => (node.getAttribute('aria-label') ?? node.textContent ?? '') === '' && node.labels?.length !== 1)
    .map(({ outerHTML }) => outerHTML);

/** Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3). */
globalThis.faintTexts = () => {
  const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => {
    const [x, y, z] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    if (node === null) return [255, 255, 255];
    const [r, g, b, a = 1] = channels(getComputedStyle(node).backgroundColor);
    if (a === 1) return [r, g, b];
    const below = behind(node.parentElement);
    return [r, g, b].map((value, i) => a * value + (1 - a) * below[i]);
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text !== null; text = walker.nextNode()) {
    const node = text.parentElement;
    if (node === null || text.textContent.trim() === '' || /^(?:SCRIPT|NOSCRIPT)$/.test(node.tagName) || node.offsetParent === null) continue;
    const [a, b] = [luminance(channels(getComputedStyle(node).color).slice(0, 3)), luminance(behind(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${node.className} ${text.textContent.slice(0, 40)}`);
  }
  return faint;
};

/** Texts of a drawing that cover each other, leave the page, or leave the box that they stand in. */
globalThis.coveredTexts = () => {
  const shrunk = ({ left, right, top, bottom }) => ({ left: left + 1, right: right - 1, top: top + 3, bottom: bottom - 3 });
  const texts = [...document.querySelectorAll('text')].map((node) => ({ said: node.textContent, ...shrunk(node.getBoundingClientRect()) }));
  const boxes = [...document.querySelectorAll('rect.box')].map((node) => node.getBoundingClientRect());
  const whole = document.querySelector('rect.page').getBoundingClientRect();
  return texts.flatMap((one, i) => {
    const meets = (other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
    const found = texts
      .slice(i + 1)
      .filter(meets)
      .map(({ said }) => `'${one.said}' covers '${said}'`);
    if (one.left < whole.left || one.right > whole.right || one.bottom > whole.bottom) found.push(`'${one.said}' leaves the page`);
    const box = boxes.find(meets);
    if (box !== undefined && (one.left < box.left || one.right > box.right)) found.push(`'${one.said}' leaves its box`);
    return found;
  });
};
