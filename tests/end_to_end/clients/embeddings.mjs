// The official SDKs for JavaScript ask the gateway for vectors, and print what they saw as JSON.
// argv: the folder that has node_modules, the gateway's URL, and the routes.

import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const OpenAI = require("openai").default;
const { Ollama } = require("ollama");
const [url, ...routes] = process.argv.slice(3);

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any" });
const ollama = new Ollama({ host: url });
const seen = {};
for (const model of routes) {
  const vectors = (made) => made.data.map((each) => Array.from(each.embedding));
  const error = async (work) => {
    try {
      await work();
    } catch (failed) {
      return [failed.constructor.name, failed.status ?? failed.status_code, String(failed.message)];
    }
  };
  seen[model] = {
    unasked: vectors(await openai.embeddings.create({ model, input: ["a", "b"] })),
    float: vectors(await openai.embeddings.create({ model, input: ["a", "b"], encoding_format: "float" })),
    one: vectors(await openai.embeddings.create({ model, input: "a" })),
    ollama: (await ollama.embed({ model, input: ["a", "b"] })).embeddings,
    old: (await ollama.embeddings({ model, prompt: "a" })).embedding,
    refused: await error(() => openai.embeddings.create({ model: "chat", input: "a" })),
    refusedOllama: await error(() => ollama.embed({ model: "chat", input: "a" })),
  };
}
process.stdout.write(JSON.stringify(seen));
