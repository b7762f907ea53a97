// The official SDKs for JavaScript through the gateway: one process asks everything, and prints what it saw as JSON.
// argv: the folder that has node_modules, and the cases (see test_javascript_sdks.py).

import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const OpenAI = require("openai").default;
const Anthropic = require("@anthropic-ai/sdk").default;
const { Ollama } = require("ollama");
const { url, cases, picture, schema, tools } = JSON.parse(process.argv[3]);

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any" });
const anthropic = new Anthropic({ baseURL: url, apiKey: "any" });
const ollama = new Ollama({ host: url });

const parameters = (name) => ({ type: "object", properties: { [name]: { type: "string" } }, required: [name] });
const functions = tools.map((name) => ({
  type: "function",
  function: { name, description: name, parameters: parameters(name) },
}));
const collected = async (stream) => {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
};

const faces = {
  chat: {
    wanted({ model, prompt, wants, turn }) {
      const image = { type: "image_url", image_url: { url: `data:image/png;base64,${picture}` } };
      const content = wants.image ? [{ type: "text", text: prompt }, image] : prompt;
      const messages = [{ role: "user", content }];
      if (turn) {
        const called = ({ id, name, arguments: given }) => ({
          id,
          type: "function",
          function: { name, arguments: JSON.stringify(given) },
        });
        messages.push({ role: "assistant", content: null, tool_calls: turn.map(called) });
        turn.forEach((call) => messages.push({ role: "tool", tool_call_id: call.id, content: call.result }));
      }
      return {
        model,
        messages,
        ...(wants.tools && { tools: functions }),
        ...(wants.schema && {
          response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
        }),
        ...(wants.thinking && { reasoning_effort: "low" }),
        ...(wants.limit && { max_completion_tokens: wants.limit }),
      };
    },
    async ask(asked) {
      const wanted = this.wanted(asked);
      let thinking = "";
      let made;
      if (asked.streamed) {
        const stream = openai.chat.completions.stream({ ...wanted, stream_options: { include_usage: true } });
        // The SDK adds up only the fields that it knows.
        stream.on("chunk", (chunk) => (thinking += chunk.choices[0]?.delta.reasoning_content ?? ""));
        made = await stream.finalChatCompletion();
      } else {
        made = await openai.chat.completions.create(wanted);
        thinking = made.choices[0].message.reasoning_content ?? "";
      }
      const { message, finish_reason } = made.choices[0];
      return {
        text: message.content ?? "",
        thinking,
        calls: (message.tool_calls ?? []).map((call) => ({
          id: call.id,
          name: call.function.name,
          arguments: JSON.parse(call.function.arguments),
        })),
        finish: finish_reason,
        tokens: [made.usage?.prompt_tokens, made.usage?.completion_tokens],
      };
    },
    async leave(asked) {
      for await (const _ of await openai.chat.completions.create({ ...this.wanted(asked), stream: true })) break;
    },
  },

  responses: {
    wanted({ model, prompt, wants, turn }) {
      const content = [{ type: "input_text", text: prompt }];
      if (wants.image)
        content.push({ type: "input_image", detail: "auto", image_url: `data:image/png;base64,${picture}` });
      const input = [{ role: "user", content }];
      for (const { id, name, arguments: given } of turn ?? [])
        input.push({ type: "function_call", call_id: id, name, arguments: JSON.stringify(given) });
      for (const { id, result } of turn ?? []) input.push({ type: "function_call_output", call_id: id, output: result });
      return {
        model,
        input,
        ...(wants.tools && {
          tools: tools.map((name) => ({ type: "function", name, parameters: parameters(name), strict: false })),
        }),
        ...(wants.schema && { text: { format: { type: "json_schema", name: "answer", schema, strict: true } } }),
        ...(wants.thinking && { reasoning: { effort: "low", summary: "auto" } }),
        ...(wants.limit && { max_output_tokens: wants.limit }),
      };
    },
    async ask(asked) {
      const wanted = this.wanted(asked);
      const made = asked.streamed
        ? (await collected(openai.responses.stream(wanted))).at(-1).response
        : await openai.responses.create(wanted);
      const of = (type) => made.output.filter((item) => item.type === type);
      const said = of("message").flatMap((item) => item.content.map((part) => part.text));
      if (made.error) throw Object.assign(new Error(made.error.message), { code: made.error.code });
      return {
        text: said.join(""),
        thinking: of("reasoning").flatMap((item) => item.summary.map((part) => part.text)).join(""),
        calls: of("function_call").map((item) => ({
          id: item.call_id,
          name: item.name,
          arguments: JSON.parse(item.arguments),
        })),
        finish: made.incomplete_details?.reason ?? made.status,
        tokens: [made.usage?.input_tokens, made.usage?.output_tokens],
      };
    },
    async leave(asked) {
      for await (const event of await openai.responses.create({ ...this.wanted(asked), stream: true }))
        if (event.type === "response.output_text.delta") break;
    },
  },

  messages: {
    wanted({ model, prompt, wants, turn }) {
      const content = [{ type: "text", text: prompt }];
      if (wants.image)
        content.push({ type: "image", source: { type: "base64", media_type: "image/png", data: picture } });
      const messages = [{ role: "user", content }];
      if (turn) {
        const called = ({ id, name, arguments: input }) => ({ type: "tool_use", id, name, input });
        const shown = ({ id, result }) => ({ type: "tool_result", tool_use_id: id, content: result });
        messages.push({ role: "assistant", content: turn.map(called) }, { role: "user", content: turn.map(shown) });
      }
      return {
        model,
        messages,
        max_tokens: wants.limit ?? 4096,
        ...(wants.tools && { tools: tools.map((name) => ({ name, input_schema: parameters(name) })) }),
        ...(wants.schema && { output_config: { format: { type: "json_schema", schema } } }),
        ...(wants.thinking && { thinking: { type: "enabled", budget_tokens: 1024 } }),
      };
    },
    async ask(asked) {
      const wanted = this.wanted(asked);
      const made = asked.streamed
        ? await anthropic.messages.stream(wanted).finalMessage()
        : await anthropic.messages.create(wanted);
      const of = (type) => made.content.filter((block) => block.type === type);
      return {
        text: of("text").map((block) => block.text).join(""),
        thinking: of("thinking").map((block) => block.thinking).join(""),
        calls: of("tool_use").map(({ id, name, input }) => ({ id, name, arguments: input })),
        finish: made.stop_reason,
        tokens: [made.usage.input_tokens, made.usage.output_tokens],
      };
    },
    async leave(asked) {
      for await (const event of await anthropic.messages.create({ ...this.wanted(asked), stream: true }))
        if (event.type === "content_block_delta") break;
    },
  },

  ollama: {
    wanted({ model, prompt, wants, turn }) {
      const messages = [{ role: "user", content: prompt, ...(wants.image && { images: [picture] }) }];
      if (turn) {
        const called = ({ name, arguments: given }) => ({ function: { name, arguments: given } });
        messages.push({ role: "assistant", content: "", tool_calls: turn.map(called) });
        turn.forEach(({ name, result }) => messages.push({ role: "tool", content: result, tool_name: name }));
      }
      return {
        model,
        messages,
        ...(wants.tools && { tools: functions }),
        ...(wants.schema && { format: schema }),
        ...(wants.thinking && { think: true }),
        ...(wants.limit && { options: { num_predict: wants.limit } }),
      };
    },
    async ask(asked) {
      const wanted = this.wanted(asked);
      const lines = asked.streamed
        ? await collected(await ollama.chat({ ...wanted, stream: true }))
        : [await ollama.chat(wanted)];
      const last = lines.at(-1);
      return {
        text: lines.map((line) => line.message.content ?? "").join(""),
        thinking: lines.map((line) => line.message.thinking ?? "").join(""),
        calls: lines.flatMap((line) =>
          (line.message.tool_calls ?? []).map((call) => ({ name: call.function.name, arguments: call.function.arguments })),
        ),
        finish: last.done_reason,
        tokens: [last.prompt_eval_count, last.eval_count],
      };
    },
    async leave(asked) {
      const stream = await new Ollama({ host: url }).chat({ ...this.wanted(asked), stream: true });
      for await (const _ of stream) break;
      stream.abort();
    },
  },
};

// What a case shows: an answer (of the second turn, where tools are called), an error, or that it was left.
async function seen(asked) {
  const face = faces[asked.face];
  try {
    if (asked.leaves) {
      await face.leave(asked);
      return { left: true };
    }
    const first = await face.ask(asked);
    if (!first.calls.length || !asked.results) return first;
    const turn = first.calls.map((call, place) => ({ ...call, result: asked.results[place] }));
    return { ...first, second: await face.ask({ ...asked, turn }) };
  } catch (error) {
    return {
      error: error.constructor.name,
      status: error.status ?? error.status_code ?? null,
      code: error.code ?? error.error?.error?.type ?? null,
      identified: Boolean(error.requestID),
      message: String(error.message),
    };
  }
}

// A few at a time: how fast the machine is decides nothing.
const results = [];
const waiting = [...cases.entries()];
const work = async () => {
  for (let next = waiting.shift(); next; next = waiting.shift()) results[next[0]] = await seen(next[1]);
};
await Promise.all(Array.from({ length: 4 }, work));
process.stdout.write(JSON.stringify(results));
