"""The event function's main job in Python, on requests with one session."""

import json
import os

import requests

api = f"http://{os.environ['SCF_RUNTIME_API']}:{os.environ['SCF_RUNTIME_API_PORT']}/runtime"
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
session = requests.Session()


def ask(question):
    reply = session.post(
        url,
        headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
        json={"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": question}]},
    )
    reply.raise_for_status()
    return reply.json()["choices"][0]["message"]["content"]


session.post(api + "/init/ready", data=" ")
while True:
    event = session.get(api + "/invocation/next").json()
    reply = {
        "isBase64Encoded": False,
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain; charset=utf-8"},
        "body": ask(event["queryString"]["question"]),
    }
    session.post(api + "/invocation/response", data=json.dumps(reply))
