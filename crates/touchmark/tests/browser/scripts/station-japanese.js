// The same station in Japanese and dark, chosen with the keyboard alone.
"use strict";

const assert = require("node:assert/strict");
const { browse } = require("./harness");
const { operator } = require("./operator");

browse({ locale: "ja-JP", colorScheme: "dark" }, async (visit) => {
  const { page, step, ask, arguments: { console: url } } = visit;
  const { scan, scene, says, signOn, look } = operator(visit);

  await step("a browser in Japanese gets Japanese", async () => {
    await page.goto(url);
    await says("バッジをスキャンしてください");
    await look("station-sign-on-ja-dark");
    await signOn();
    await says("銘板をスキャンしてください");
    assert.equal(await page.locator("html").getAttribute("lang"), "ja");
    await look("station-ready-ja-dark");
  });

  await step("green and red in Japanese", async () => {
    await ask("put a blank device: 3012");
    await scan("3012-123456");
    await scene("green");
    await says("合格");
    await look("station-green-ja-dark");
    await ask("put another blank device: 3013");
    await scan("3012-123457");
    await says("銘板は 3012、機器は 3013 です。正しい銘板を貼り、スキャンしてください。");
    await look("station-red-ja-dark");
  });

  await step("English by keyboard", async () => {
    await page.locator('button[name="language"][value="en"]').focus();
    await page.keyboard.press("Enter");
    await says("The plate says 3012 and the device is 3013");
  });
});
