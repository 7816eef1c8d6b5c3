// The gateway goes while an operator is at work, and comes back.
"use strict";

const { browse } = require("./harness");
const { operator } = require("./operator");

browse({}, async (visit) => {
  const { page, step, ask } = visit;
  const { scan, scene, says, signOn, look } = operator(visit);

  await step("signed on", async () => {
    await signOn();
    await says("Gateway connected");
  });

  await step("the page says that the gateway is gone, for how long, and what still works", async () => {
    await ask("stop the gateway");
    await page.getByText(/Gateway unreachable for \d+:\d\d/).waitFor();
    await says("its result is kept here and delivered later");
    await look("station-gateway-lost");
  });

  await step("the gateway goes in the middle of a write, whose result waits", async () => {
    await ask("start the gateway");
    await says("Gateway connected");
    await ask("put a device that waits: 3012");
    await scan("3012-123457");
    await page.locator(".steps .now", { hasText: "Written and proved" }).waitFor();
    await look("station-writing");
    await ask("stop the gateway");
    await ask("let it go on");
    await scene("red");
    await says("The result is not filed yet");
    await says("Results waiting: 1");
    await look("station-result-waits");
  });

  await step("a scan meanwhile says what to do, and badges are still known", async () => {
    await ask("put a blank device: 3012");
    await scan("3012-123456");
    await scene("red");
    await says("The gateway does not answer");
    await page.keyboard.press("F4");
    await says("Scan your badge");
    await signOn();
    await says("Gateway unreachable");
  });

  await step("the gateway is back: the result that waited is delivered, and the other device is written", async () => {
    await ask("start the gateway");
    await says("Gateway connected");
    await page.getByText("Results waiting").waitFor({ state: "detached" });
    await scan("3012-123456");
    await scene("green");
    await look("station-gateway-back");
  });
});
