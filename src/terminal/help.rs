//! The texts of `--help`.

use ask_core::lang::Localized;

/// Returns the help of a question.
pub(super) fn ask() -> Localized {
    Localized::new(
        "\
ask: ask a chat model

Usage: ask [OPTION]… QUESTION…     shows the answer as it comes
       ask -i photo.jpg QUESTION…  asks about a picture
       ask [OPTION]… -             asks what standard input holds
       command | ask [QUESTION…]   asks the question about what the command prints
       ask check [URL]             checks the settings, or a deployed function
       ask sign URL                prints a link that may ask without a token

Options, before the question:
  -m, --model MODEL    model, in place of OPENAI_MODEL
  -s, --system TEXT    instructions to the model, in place of ASK_SYSTEM_PROMPT
  -i, --image FILE     a PNG, JPEG, GIF or WebP picture beside the question; up to 4
      --url URL        asks a deployed function in place of the provider; a signed link works, too
      --token TOKEN    token of that function (better: ASK_TOKEN, which other users cannot see)
      --env-file FILE  file of settings, in place of ~/.config/ask/env
  -h, --help           this text; `ask check --help` and `ask sign --help` have more
  -V, --version        version
      --               ends the options: ask -- check my text

Settings are environment variables. Those that are not set there are read from
~/.config/ask/env ($XDG_CONFIG_HOME/ask/env): one NAME=VALUE a line, # before a comment.
  OPENAI_API_KEY       key of the provider (required without --url)
  OPENAI_BASE_URL      provider, such as https://api.deepseek.com
  OPENAI_MODEL         model, or a list that is tried in order
  ASK_SYSTEM_PROMPT, ASK_EXTRA, ASK_MAX_QUESTION, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE: as for
  the function
  ASK_TIMEOUT          seconds for an answer (600)
  ASK_TOKEN            token for --url, else ASK_PUBLIC_TOKEN

With a question, standard input is read only if it is a pipe or a file. In a script, `</dev/null`
keeps it out.

Exit status: 0 the whole answer · 1 a failure, or an answer that is cut · 2 wrong use ·
130 interrupted. A closed pipe ends it in silence.
",
        "\
ask：向聊天模型提问

用法：ask [选项]… 问题…        边生成边显示回答
      ask -i photo.jpg 问题…   就图片提问
      ask [选项]… -            把标准输入作为问题
      命令 | ask [问题…]       就命令输出的内容提问
      ask check [网址]         检查设置，或检查已部署的函数
      ask sign 网址            签发免令牌提问的链接

选项（写在问题之前）：
  -m, --model 模型     代替 OPENAI_MODEL
  -s, --system 文字    给模型的指示，代替 ASK_SYSTEM_PROMPT
  -i, --image 文件     问题所附的图片（PNG、JPEG、GIF 或 WebP），最多 4 张
      --url 网址       向已部署的函数提问，不直接连接模型服务商；也可以是签名链接
      --token 令牌     该函数的访问令牌（建议改用 ASK_TOKEN，其他用户看不到）
      --env-file 文件  设置文件，代替 ~/.config/ask/env
  -h, --help           本说明；另见 `ask check --help` 和 `ask sign --help`
  -V, --version        版本
      --               选项到此为止：ask -- check my text

设置取自环境变量；环境变量里没有的，从 ~/.config/ask/env（$XDG_CONFIG_HOME/ask/env）
读取：每行一个 NAME=VALUE，# 开头的是注释。
  OPENAI_API_KEY       模型服务商的密钥（不用 --url 时必填）
  OPENAI_BASE_URL      模型服务商的地址，例如 https://api.deepseek.com
  OPENAI_MODEL         模型，或按顺序尝试的列表
  ASK_SYSTEM_PROMPT、ASK_EXTRA、ASK_MAX_QUESTION、HTTPS_PROXY、NO_PROXY、SSL_CERT_FILE：
  与函数相同
  ASK_TIMEOUT          等待回答的秒数（600）
  ASK_TOKEN            --url 使用的令牌，没有时用 ASK_PUBLIC_TOKEN

给出问题时，只有标准输入是管道或文件才会读取。在脚本里可以用 `</dev/null` 让它不读。

退出状态：0 回答完整 · 1 失败，或回答不完整 · 2 用法错误 · 130 被中断。
管道被关闭时安静地结束。
",
    )
}

/// Returns the lines that are shown if there is no question.
pub(super) fn usage() -> Localized {
    Localized::new(
        "missing question (ask QUESTION…; `ask --help` has more)",
        "没有问题（ask 问题…；详见 `ask --help`）",
    )
}

/// Returns the help of `ask check`.
pub(super) fn check() -> Localized {
    Localized::new(
        "\
ask check: what works, line by line, and what to change

Usage: ask check [OPTION]…      the settings and the provider, as the function would use them
       ask check [OPTION]… URL  a deployed function

Each line is ok, warning, failure or skipped (it could not be tried). One short question is asked.
Nothing secret is printed.

Options:
  -m, --model MODEL    model, in place of OPENAI_MODEL
      --token TOKEN    token of the function (better: ASK_TOKEN)
      --env-file FILE  file of settings, in place of ~/.config/ask/env
      --json           one JSON object: {\"ok\", \"version\", \"target\", \"steps\": [{\"step\",
                       \"status\", \"message\"}]}
  -h, --help           this text

Exit status: 0 no warning and no failure · 1 something to change · 2 wrong use.
",
        "\
ask check：逐行说明哪些正常，哪些要改

用法：ask check [选项]…        检查设置和模型服务商，与函数的用法相同
      ask check [选项]… 网址   检查已部署的函数

每行是“正常”“警告”“失败”或“跳过”（无法尝试）。检查时会问一个很短的问题。
不会显示任何密钥或令牌。

选项：
  -m, --model 模型     代替 OPENAI_MODEL
      --token 令牌     函数的访问令牌（建议改用 ASK_TOKEN）
      --env-file 文件  设置文件，代替 ~/.config/ask/env
      --json           输出一个 JSON 对象：{\"ok\", \"version\", \"target\", \"steps\":
                       [{\"step\", \"status\", \"message\"}]}
  -h, --help           本说明

退出状态：0 没有警告和失败 · 1 有要改的地方 · 2 用法错误。
",
    )
}

/// Returns the help of `ask sign`.
pub(super) fn sign() -> Localized {
    Localized::new(
        "\
ask sign: prints a link that may ask without a token until it expires

Usage: ask sign [OPTION]… URL   with the address of the function, such as https://host/

Options:
      --expires DURATION  lifetime: 90s, 15m, 12h or 7d (the default)
      --question TEXT     the only question that the link may ask; without it, any
      --env-file FILE     file of settings, in place of ~/.config/ask/env
  -h, --help              this text

It needs the function's ASK_SIGNING_KEY, in the environment or in the file.
",
        "\
ask sign：签发链接，在到期之前可以免令牌提问

用法：ask sign [选项]… 网址     网址是函数的地址，例如 https://host/

选项：
      --expires 时长      有效期：90s、15m、12h 或 7d（默认）
      --question 问题     链接只能问这个问题；不写则任何问题都可以
      --env-file 文件     设置文件，代替 ~/.config/ask/env
  -h, --help              本说明

需要函数的 ASK_SIGNING_KEY，写在环境变量或设置文件里。
",
    )
}
