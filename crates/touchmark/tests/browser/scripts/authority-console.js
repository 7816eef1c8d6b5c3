// Two security officers: a quota that both raise, devices that one revokes or both.
"use strict";

const assert = require("node:assert/strict");
const { browse } = require("./harness");
const { lookAt, signIn } = require("./people");

const PAGES = ["/", "/factories", "/products", "/keys", "/certificates", "/devices/3012-123456", "/revoke", "/approvals", "/members", "/audit"];

browse({}, async (visit) => {
  const { page, context, step, accessible, shot, arguments: { console: url, officers: [first, second] } } = visit;
  const other = await (await context.browser().newContext({ locale: "en-GB" })).newPage();

  await step("both sign in", async () => {
    await signIn(page, url, first);
    await page.getByRole("heading", { name: "Issuing" }).waitFor();
    await signIn(other, url, second);
    await other.getByRole("heading", { name: "Issuing" }).waitFor();
  });

  await step("every page", () => lookAt(visit, url, "authority-console", PAGES));

  await step("one proposes a higher quota, and cannot approve it", async () => {
    await page.goto(`${url}/factories`);
    await page.fill("[name=quota]", "4000");
    await page.getByRole("button", { name: "Change", exact: true }).click();
    await page.getByText("Proposed as number 1").waitFor();
    await page.goto(`${url}/approvals`);
    await page.getByText("from 3000 to 4000").waitFor();
    assert.equal(await page.getByRole("button", { name: "Approve" }).count(), 0);
    await accessible();
    await shot("authority-console-approval-own");
  });

  await step("the other approves it", async () => {
    await other.goto(`${url}/approvals`);
    await other.getByRole("button", { name: "Approve" }).click();
    await other.getByText("Approved and done").waitFor();
    await page.goto(`${url}/factories?q=4000`);
    await page.getByRole("cell", { name: /^4\s000$/ }).waitFor();
  });

  await step("who is hit is seen before anything is revoked", async () => {
    await page.goto(`${url}/revoke`);
    await page.fill("[name=first]", "3012-123456");
    await page.fill("[name=last]", "3012-123459");
    await page.selectOption("[name=reason]", "key-compromise");
    await page.getByRole("button", { name: "Show who is hit" }).click();
    await page.getByText("4 certificates and 0 symmetric credentials would be revoked").waitFor();
    await accessible();
    await shot("authority-console-revoke-preview");
    await page.getByRole("button", { name: "Propose to revoke 4" }).click();
    await page.getByText("Proposed as number 2").waitFor();
  });

  await step("the other turns it down, and nothing is revoked", async () => {
    await other.goto(`${url}/approvals`);
    await other.getByRole("button", { name: "Turn down" }).click();
    await page.goto(`${url}/certificates?state=voided`);
    await page.getByText("Nothing to show").waitFor();
  });

  await step("one device, one person", async () => {
    await page.goto(`${url}/revoke`);
    await page.fill("[name=first]", "3012-123456");
    await page.getByRole("button", { name: "Show who is hit" }).click();
    await page.getByRole("button", { name: "Revoke for good" }).click();
    await page.getByText("3012-123456 is revoked").waitFor();
    await page.goto(`${url}/devices/3012-123456`);
    await page.locator(".badge.bad").first().waitFor();
    await accessible();
    await shot("authority-console-revoked-device");
  });

  await step("the log is whole and names both", async () => {
    await page.goto(`${url}/audit?action=approval.`);
    await page.getByText("person:sato").first().waitFor();
    await page.getByText("person:ito").first().waitFor();
    await page.getByRole("button", { name: "Verify the whole log" }).click();
    await page.getByText("The log is whole").waitFor();
    await shot("authority-console-audit-verified");
  });

  await step("Japanese, in the dark", async () => {
    await page.goto(url);
    await page.getByRole("button", { name: "日本語" }).click();
    await page.getByRole("button", { name: "ダーク" }).click();
    await page.locator("html[data-theme=dark]").waitFor();
    await lookAt(visit, url, "authority-console-dark", ["/", "/factories"]);
  });
});
