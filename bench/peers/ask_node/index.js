// The first article's way: a custom runtime in Node.js on the `request` package, callbacks and all. It posts the bare answer.
const request = require("request");

const api = `http://${process.env.SCF_RUNTIME_API}:${process.env.SCF_RUNTIME_API_PORT}/runtime`;
const url = `${process.env.OPENAI_BASE_URL}/chat/completions`;

function next() {
  request(`${api}/invocation/next`, (error, response, event) => {
    if (error) throw error;
    const { question } = JSON.parse(event).queryString;
    ask(question, (answer) => {
      request.post({ url: `${api}/invocation/response`, body: answer }, (error) => {
        if (error) throw error;
        next();
      });
    });
  });
}

function ask(question, done) {
  request.post(
    {
      url,
      headers: { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
      json: { model: "gpt-3.5-turbo", messages: [{ role: "user", content: question }] },
    },
    (error, response, body) => {
      if (error) throw error;
      done(body.choices[0].message.content);
    },
  );
}

request.post({ url: `${api}/init/ready`, body: " " }, (error) => {
  if (error) throw error;
  next();
});
