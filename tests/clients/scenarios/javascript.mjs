// huggingface.js: create, upload, list, download, delete.
import { randomBytes } from "node:crypto";
import * as hub from "@huggingface/hub";

const hubUrl = process.env.HF_ENDPOINT;
const accessToken = process.env.HF_TOKEN;
const name = `alice/c-${randomBytes(5).toString("hex")}`;
const repo = { type: "model", name };
const content = randomBytes(700_000);
const common = { repo, accessToken, hubUrl };

function check(truth, words) {
  if (!truth) throw new Error(words);
}

const rows = {
  "whoAmI": async () => check((await hub.whoAmI({ accessToken, hubUrl })).name === "alice", "another name"),
  "createRepo": async () => { await hub.createRepo({ ...common }); },
  "uploadFile, small": async () => {
    await hub.uploadFile({ ...common, file: { path: "a/config.json", content: new Blob(["{}"]) } });
  },
  "uploadFile, large, over LFS": async () => {
    await hub.uploadFile({ ...common, file: { path: "w.safetensors", content: new Blob([content]) } });
  },
  "uploadFile, large, over Xet": async () => {
    let casCalls = 0;
    const counting = (url, options) => {
      if (String(url).includes("/cas/")) casCalls += 1;
      return fetch(url, options);
    };
    const file = { path: "x.safetensors", content: new Blob([content.subarray(1000)]) };
    await hub.uploadFile({ ...common, useXet: true, fetch: counting, file });
    check(casCalls >= 2, `${casCalls} calls to the CAS`);
    const found = await hub.downloadFile({ ...common, path: "x.safetensors" });
    check(Buffer.from(await found.arrayBuffer()).equals(content.subarray(1000)), "other bytes");
  },
  "listFiles": async () => {
    const found = [];
    for await (const file of hub.listFiles({ ...common, recursive: true })) found.push(file.path);
    check(found.includes("w.safetensors") && found.includes("a/config.json"), found.join());
  },
  "downloadFile": async () => {
    const found = await hub.downloadFile({ ...common, path: "w.safetensors" });
    check(Buffer.from(await found.arrayBuffer()).equals(content), "other bytes");
  },
  "fileDownloadInfo, fileExists": async () => {
    check((await hub.fileDownloadInfo({ ...common, path: "w.safetensors" })).size === content.length, "size");
    check(!(await hub.fileExists({ ...common, path: "none" })), "exists");
  },
  "modelInfo, listModels": async () => {
    check((await hub.modelInfo({ ...common, name })).name === name, "name");
    const found = [];
    for await (const model of hub.listModels({ search: { owner: "alice" }, accessToken, hubUrl })) found.push(model.name);
    check(found.includes(name), "not listed");
  },
  "commit: add and delete": async () => {
    await hub.commit({ ...common, title: "two", operations: [
      { operation: "addOrUpdate", path: "b.txt", content: new Blob(["b"]) },
      { operation: "delete", path: "a/config.json" },
    ] });
    check(!(await hub.fileExists({ ...common, path: "a/config.json" })), "still there");
  },
  "createBranch, listCommits": async () => {
    await hub.createBranch({ ...common, branch: "dev" });
    let count = 0;
    for await (const _ of hub.listCommits({ ...common })) count += 1;
    check(count >= 4, `${count} commits`);
  },
  "deleteRepo": async () => { await hub.deleteRepo({ ...common }); },
};

let failed = 0;
for (const [row, play] of Object.entries(rows)) {
  const began = performance.now();
  let problem = "";
  try {
    await play();
  } catch (error) {
    failed += 1;
    problem = `${error?.name}: ${error?.message}`.slice(0, 300);
    console.error(error);
  }
  const seconds = Math.round((performance.now() - began) / 10) / 100;
  console.log("ROW " + JSON.stringify({ row, ok: !problem, problem, seconds }));
}
process.exit(failed ? 1 : 0);
