"""Python clients of OpenAI's API, with only the address and the key changed.

The openai package is one version in an environment. This file runs in two environments and calls
the clients of the one that it runs in.
"""

import gzip
import http.client
import json
import os
import re
import sys
import unittest
from pathlib import Path
from urllib.parse import urlsplit

import openai

OLD = openai.VERSION.startswith("0.")
if not OLD:
    import litellm
    from langchain_openai import ChatOpenAI

    litellm.suppress_debug_info = True  # Prints advice after an error.

QUESTION = "你好"
MESSAGES = [{"role": "user", "content": QUESTION}]
EXPECTED = json.loads(Path("expected.json").read_text(encoding="utf-8"))

# Every address gives every client the same results.
ADDRESSES = {
    "direct": (os.environ["UPSTREAM"] + "/v1", os.environ["OPENAI_API_KEY"]),
    "proxy": (os.environ["ASK_WEB"] + "/v1", os.environ["ASK_TOKEN"]),
    "proxy below a stage": (os.environ["ASK_WEB"] + "/release/v1", os.environ["ASK_TOKEN"]),
}


def error(kind, call):
    """Returns the exception of this kind that the call raises."""
    try:
        call()
    except kind as raised:
        return raised
    raise AssertionError(f"no {kind.__name__}")


def upstream_error(kind, call):
    """Returns the upstream's sentence in the exception of this kind that the call raises."""
    return re.search("The model .* exist|$", str(error(kind, call)))[0]


def texts(chunks):
    """Returns the texts of a stream without the empty ones that begin and end it."""
    return [text for text in chunks if text]


def openai_python(base, key):
    client = openai.OpenAI(base_url=base, api_key=key, max_retries=0)
    stranger = client.with_options(api_key="other")

    def chat(model="m", **options):
        return client.chat.completions.create(model=model, messages=MESSAGES, **options)

    def response(**options):
        return client.responses.create(model="m", input=QUESTION, **options)

    return {
        "chat": lambda: chat().choices[0].message.content,
        "streamed chat": lambda: texts(c.choices[0].delta.content for c in chat(stream=True)),
        "response": lambda: response().output_text,
        "streamed response": lambda: texts(
            event.delta for event in response(stream=True) if event.type.endswith("text.delta")
        ),
        "response events": lambda: [event.type for event in response(stream=True)],
        "models": lambda: [model.id for model in client.models.list()],
        "upload": lambda: client.files.create(
            file=("f.jsonl", b"x" * 1_000_000), purpose="batch"
        ).bytes,
        "request id": lambda: chat()._request_id,
        "error": lambda: upstream_error(openai.NotFoundError, lambda: chat("none")),
        "wrong key": lambda: error(openai.AuthenticationError, stranger.models.list).status_code,
    }


def openai_python_before_1(base, key):
    openai.api_base, openai.api_key = base, key

    def chat(model="m", **options):
        return openai.ChatCompletion.create(model=model, messages=MESSAGES, **options)

    return {
        "chat": lambda: chat().choices[0].message.content,
        "streamed chat": lambda: texts(
            chunk.choices[0].delta.get("content") for chunk in chat(stream=True)
        ),
        "models": lambda: [model.id for model in openai.Model.list().data],
        "error": lambda: upstream_error(openai.error.InvalidRequestError, lambda: chat("none")),
        "wrong key": lambda: error(
            openai.error.AuthenticationError, lambda: openai.Model.list(api_key="other")
        ).http_status,
    }


def litellm_python(base, key):
    def chat(model="openai/m", **options):
        return litellm.completion(
            model, MESSAGES, api_base=base, api_key=key, max_retries=0, **options
        )

    return {
        "chat": lambda: chat().choices[0].message.content,
        "streamed chat": lambda: texts(c.choices[0].delta.content for c in chat(stream=True)),
        "error": lambda: upstream_error(litellm.NotFoundError, lambda: chat("openai/none")),
    }


def langchain_python(base, key):
    def chat(model="m"):
        return ChatOpenAI(base_url=base, api_key=key, model=model, max_retries=0)

    return {
        "chat": lambda: chat().invoke(QUESTION).content,
        "streamed chat": lambda: texts(chunk.content for chunk in chat().stream(QUESTION)),
        "error": lambda: upstream_error(
            openai.NotFoundError, lambda: chat("none").invoke(QUESTION)
        ),
    }


def go_openai(base, key):
    """Sends the requests of go-openai 1.42, so that the suite needs no Go."""
    url = urlsplit(base)
    headers = {
        "User-Agent": "Go-http-client/1.1",
        "Accept": "application/json",
        "Authorization": f"Bearer {key}",
        "Accept-Encoding": "gzip",
    }

    def reply(method, path, fields=None):
        connection = http.client.HTTPConnection(url.netloc)
        body = fields and json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        content_type = {"Content-Type": "application/json"} if fields else {}
        connection.request(method, url.path + path, body, headers | content_type)
        with connection.getresponse() as response:
            compressed = response.headers["Content-Encoding"] == "gzip"
            data = response.read()
            return json.loads(gzip.decompress(data) if compressed else data)

    def chat(model="m"):
        return reply("POST", "/chat/completions", {"model": model, "messages": MESSAGES})

    return {
        "chat": lambda: chat()["choices"][0]["message"]["content"],
        "models": lambda: [model["id"] for model in reply("GET", "/models")["data"]],
        "error": lambda: chat("none")["error"]["message"],
    }


if OLD:
    CLIENTS = {"openai before 1.0": openai_python_before_1}
else:
    CLIENTS = {
        "openai": openai_python,
        "litellm": litellm_python,
        "langchain-openai": langchain_python,
        "go-openai": go_openai,
    }


class Call(unittest.TestCase):
    def __init__(self, client, call, address):
        super().__init__()
        self.client, self.call, self.address = client, call, address

    def __str__(self):
        return f"{self.client}, {self.address}: {self.call}"

    def runTest(self):
        calls = CLIENTS[self.client](*ADDRESSES[self.address])
        self.assertEqual(calls[self.call](), EXPECTED[self.call])


if __name__ == "__main__":
    suite = unittest.TestSuite(
        Call(client, call, address)
        for client, calls in CLIENTS.items()
        for address in ADDRESSES
        for call in calls(*ADDRESSES[address])
    )
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
