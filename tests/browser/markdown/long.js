// Answers of 100 kB, in the shapes that grow at their end.

const numbered = (part) =>
  Array.from({ length: 100_000 / part(1000).length }, (_, i) => part(i + 1)).join("");

export const long = {
  "a fence": "```js\n" + numbered((i) => `  const value${i} = compute(${i}); // a line of code\n`),
  "a list": numbered((i) => `- Item ${i} with **bold** and \`code\`\n`),
  "a loose list": numbered((i) => `${i}. Item with **bold**\n\n   and more\n\n`),
  "a table":
    "| a | b | c |\n|---|---|---|\n" +
    numbered((i) => `| ${i} | **name ${i}** | \`code\` and text |\n`),
  "a quote": numbered((i) => `> **Line** ${i} of a quote\n`),
  "a paragraph": numbered((i) => `word${i} **bold** and \`code\` [link](https://a.b/${i}). `),
  "a paragraph of Chinese": numbered((i) => `这是第${i}句，**重点：**没有空格。`),
  "a paragraph with stray marks": numbered((i) => `*a_ [b ${i} `),
  "a heading": "# " + numbered((i) => `word${i} `),
  prose: numbered((i) =>
    `## Heading ${i}\n\n${"Words of **weight** in a sentence. ".repeat(12)}\n\n`
      + `- one\n- two\n  - three\n\n\`\`\`js\nlet x = ${i};\n\`\`\`\n\n`
      + `${"And more words, with `code`. ".repeat(12)}\n\n`),
  "short blocks": numbered((i) =>
    `## Heading ${i}\n\n> Some **text**.\n\n\`\`\`js\nlet x = ${i};\n\`\`\`\n\n`),
};
