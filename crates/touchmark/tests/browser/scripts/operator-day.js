// An operator's day without a mouse: sign on, good and bad scans, a wrong product, scrap with a second badge.
"use strict";

const assert = require("node:assert/strict");
const { browse } = require("./harness");
const { operator, listen } = require("./operator");

browse({}, async (visit) => {
  const { page, context, step, ask, arguments: { console: url, badge, secondBadge } } = visit;
  const { scan, scene, says, operatorsKnown, figure, look } = operator(visit);
  await listen(context);

  await step("nothing without a badge", async () => {
    await page.goto(url);
    await says("Scan your badge");
    await look("station-sign-on");
    for (const path of ["live", "pictures/3012"]) {
      assert.equal((await page.request.get(url + path)).status(), 401, path);
    }
    await operatorsKnown();
    await scan("B-00000000000000000000");
    await says("This badge is not known here");
    await look("station-badge-unknown");
    await scan(badge);
    await scene("ready");
    await look("station-ready");
  });

  await step("a good device", async () => {
    await ask("put a blank device: 3012");
    await scan("3012-123456");
    await scene("green");
    await says("3012-123456");
    await look("station-green");
    assert.equal(await figure("Good"), "1");
    assert.equal(await page.evaluate(() => window.tones), 2, "good is heard");
  });

  await step("the next scan at once", async () => {
    await ask("put another blank device: 3012");
    await scan("3012-123457");
    await page.waitForSelector('[data-scene="green"] >> text=3012-123457');
    assert.equal(await figure("Good"), "2");
    assert.match(await figure("Takt"), /^\d+\.\d s$/);
    assert.equal(await figure("Yield"), "100 %");
  });

  await step("a bad scan says what to do", async () => {
    await scan("3012-12345");
    await scene("red");
    await says("scan the plate again");
    await look("station-bad-scan");
    assert.equal(await figure("Failed"), "0", "a bad scan is no bad device");
  });

  await step("another product's device", async () => {
    await ask("put a third blank device: 3013");
    await scan("3012-123458");
    await says("The plate says 3012 and the device is 3013");
    await look("station-wrong-product");
  });

  await step("nothing on the port", async () => {
    await ask("clear the port");
    await scan("3012-123458");
    await says("No device answers on the port");
  });

  await step("a plate that another device has cannot be scrapped", async () => {
    await ask("put a third blank device: 3012");
    await scan("3012-123456");
    await says("was given to another device");
    await scan("C-SCRAP");
    await scene("asking");
    await scan(secondBadge);
    await scene("red");
    await says("was given to another device");
    assert.equal((await ask("how many packs in each state")).verified, 2);
  });

  await step("a device whose memory fails is scrapped by two people", async () => {
    await ask("put a device whose memory fails: 3012");
    await scan("3012-123459");
    await says("memory failed: scrap the device");
    await look("station-red");
    await page.keyboard.press("F2");
    await scene("asking");
    await look("station-second-badge");
    await scan(badge);
    await says("It must be another person's badge.");
    await scan(secondBadge);
    await scene("scrapped");
    await says("By sato and ito.");
    await look("station-scrapped");
    assert.equal(await figure("Scrapped"), "1");
    assert.equal((await ask("how many packs in each state")).voided, 1);
  });

  await step("the day goes on, and ends with the own badge", async () => {
    await ask("put a third blank device: 3012");
    await scan("3012-123458");
    await page.waitForSelector('[data-scene="green"] >> text=3012-123458');
    assert.equal(await figure("Good"), "3");
    await scan(badge);
    await says("Scan your badge");
    assert.equal((await page.request.get(`${url}live`)).status(), 401, "nobody is signed on any more");
  });

  await step("the figures are there when the operator comes back", async () => {
    await scan(badge);
    await scene("ready");
    assert.equal(await figure("Good"), "3");
  });
});
