// What every operator does, and how it looks: all of it on the keyboard, since a scanner types.
"use strict";

const assert = require("node:assert/strict");

function operator({ page, accessible, shot, arguments: { console: url, badge } }) {
  const scan = async (text) => {
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
  };
  const scene = (name) => page.waitForSelector(`[data-scene="${name}"]`);
  const says = (text) => page.getByText(text).first().waitFor();
  // Whoever stands three metres away does not scroll.
  const look = async (name) => {
    await accessible();
    await shot(name);
    const hidden = await page.evaluate(() => document.documentElement.scrollHeight - window.innerHeight);
    assert.ok(hidden <= 0, `${hidden} pixels of ${name} are below the screen`);
  };
  // The gateway tells its operators within seconds.
  const operatorsKnown = async () => {
    await page.goto(url);
    while ((await page.getByText(/knows no badge yet|登録済みのバッジがありません/).count()) > 0) {
      await page.waitForTimeout(500);
      await page.reload();
    }
  };
  const signOn = async () => {
    await operatorsKnown();
    await scan(badge);
    await scene("ready");
  };
  const figure = async (name) => (await page.locator(".shift div", { has: page.locator("dt", { hasText: name }) }).locator("dd").first().innerText()).trim();
  return { scan, scene, says, operatorsKnown, signOn, figure, look };
}

// Counts the tones that the page plays.
const listen = (context) => context.addInitScript(() => {
  window.tones = 0;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when); };
});

module.exports = { operator, listen };
