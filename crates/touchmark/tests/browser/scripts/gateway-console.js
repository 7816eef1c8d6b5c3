// An engineer's morning at the gateway: signing in, a plan with an error and without, stations, Japanese, the dark.
"use strict";

const assert = require("node:assert/strict");
const { browse } = require("./harness");
const { lookAt, signIn } = require("./people");

const PAGES = ["/", "/plan", "/plan/import", "/stock", "/stations", "/attention", "/devices", "/devices/3012-123456", "/products", "/link", "/audit"];

browse({}, async (visit) => {
  const { page, step, accessible, shot, arguments: { console: url, engineer, badPlan } } = visit;

  await step("a wrong code is refused", async () => {
    await signIn(page, url, engineer, "000000");
    await page.getByRole("alert").waitFor();
    await accessible();
    await shot("gateway-console-sign-in");
  });

  await step("signing in by keyboard", async () => {
    await signIn(page, url, engineer);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "content", "the first stop skips to the content");
  });

  await step("every page", () => lookAt(visit, url, "gateway-console", PAGES));

  await step("a plan with an error changes nothing, and says where it is", async () => {
    await page.goto(`${url}/plan/import`);
    await page.locator("input[type=file]").setInputFiles(badPlan);
    await page.waitForFunction(() => document.getElementById("import-content").value !== "");
    await page.getByRole("button", { name: "Preview the changes" }).click();
    await page.getByText("Wrong cells: 1. Nothing was imported.").waitFor();
    const cells = await page.locator("tbody tr").first().locator("td").allTextContents();
    assert.deepEqual(cells.slice(0, 2), ["2", "2"]);
    await accessible();
    await shot("gateway-console-plan-error");
  });

  await step("a plan is seen before it is accepted", async () => {
    await page.fill("#import-content", "DEVICE CODE,3/17\n3012,12\n3013,0\n");
    await page.getByRole("button", { name: "Preview the changes" }).click();
    await page.getByText("Nothing is changed yet").waitFor();
    await accessible();
    await shot("gateway-console-plan-preview");
    await page.getByRole("button", { name: /^Accept/ }).click();
    await page.getByText("entries were changed").waitFor();
  });

  await step("stations are live", async () => {
    await page.goto(`${url}/stations`);
    await page.locator(".live:not(.lost)").waitFor();
    await page.fill("[name=name]", "line-2");
    await page.getByRole("button", { name: "Make a token" }).click();
    await page.locator("code", { hasText: /^tmj1\./ }).waitFor();
    await accessible();
  });

  await step("Japanese, in the dark", async () => {
    await page.goto(url);
    await page.getByRole("button", { name: "日本語" }).click();
    await page.getByRole("heading", { name: "概要" }).waitFor();
    await page.getByRole("button", { name: "ダーク" }).click();
    await page.locator("html[data-theme=dark]").waitFor();
    await lookAt(visit, url, "gateway-console-dark", ["/", "/stock", "/attention"]);
  });

  await step("signing out", async () => {
    await page.getByRole("button", { name: "サインアウト" }).click();
    await page.waitForURL(`${url}/sign-in`);
    await page.goto(`${url}/plan`);
    assert.equal(page.url(), `${url}/sign-in`);
  });
});
