// A station that is tried out says so all the while.
"use strict";

const { browse } = require("./harness");
const { operator } = require("./operator");

browse({}, async (visit) => {
  const { page, step, arguments: { console: url, scan: plate } } = visit;
  const { scan, scene, says, signOn, look } = operator(visit);

  await step("marked before and after signing on, and on green", async () => {
    await page.goto(url);
    await says("REHEARSAL");
    await signOn();
    await says("REHEARSAL");
    await scan(plate);
    await scene("green");
    await says("REHEARSAL");
    await look("station-rehearsal");
  });
});
