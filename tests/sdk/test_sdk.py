"""OpenAI's own SDK for Python, with nothing changed but the address and the key."""

import os
import unittest

from openai import AuthenticationError, NotFoundError, OpenAI

client = OpenAI(base_url=os.environ["ASK_WEB"] + "/v1", api_key=os.environ["TOKEN"], max_retries=0)
messages = [{"role": "user", "content": "你好"}]


class Sdk(unittest.TestCase):
    def test_a_chat_is_answered(self):
        completion = client.chat.completions.create(model="m", messages=messages)
        self.assertEqual(completion.choices[0].message.content, "You asked: 你好 好😀")

    def test_a_streamed_chat_comes_in_pieces(self):
        stream = client.chat.completions.create(model="m", messages=messages, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        self.assertEqual(pieces, ["You asked: ", "你好", " 好😀", ""])

    def test_models_are_listed(self):
        self.assertEqual([model.id for model in client.models.list()], ["m"])

    def test_a_file_is_uploaded(self):
        file = client.files.create(file=("f.jsonl", b"x" * 1_000_000), purpose="batch")
        self.assertEqual(file.bytes, 1_000_000)

    def test_the_providers_error_is_the_sdks_error(self):
        with self.assertRaises(NotFoundError) as raised:
            client.chat.completions.create(model="none", messages=messages)
        self.assertEqual(raised.exception.code, "model_not_found")

    def test_without_the_token_there_is_no_key_to_borrow(self):
        with self.assertRaises(AuthenticationError):
            client.with_options(api_key="other").models.list()


if __name__ == "__main__":
    unittest.main()
