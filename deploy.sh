#!/bin/sh
# Packs a function, puts it on Tencent Cloud SCF with the settings in ask.env, and asks a question
# at its address. It can be run again at any time: after a change, or after a failure.
set -eu
cd "$(dirname "$0")"

usage() {
    cat <<END
usage: ./deploy.sh [ask | ask-web] [options of scf-deploy]

  ask      the event function: answers a question in a URL (the default)
  ask-web  the Web function: streams answers, and is a reverse proxy for OpenAI's clients

The settings come from ask.env, and the key of the cloud from the environment or from tccli's file.
END
    exec cargo run -q --locked -p scf-deploy -- --help
}
fail() { echo "deploy.sh: $1" >&2; exit "${2:-1}"; }

function=ask
case "${1:-}" in
ask | ask-web) function=$1 && shift ;;
-h | --help) usage ;;
-* | "") ;;
*) fail "unknown function $1 (use ask or ask-web)" 2 ;;
esac

if ! [ -e ask.env ]; then
    (umask 077 && cp ask.env.example ask.env)
    fail "ask.env is new: write your key behind OPENAI_API_KEY= and run the command again" 2
fi

target=${CARGO_TARGET_DIR:-target}
cargo build --locked -p envfile -p scf-deploy -p scf-ask
deploy() { "$target/debug/scf-deploy" "$@"; }
setting() { "$target/debug/envfile" ask.env "$@"; }

# has NAME…: returns whether the function has one of these variables.
has() {
    for name; do
        case $status in *"\"$name\""*) return 0 ;; esac
    done
    return 1
}

zip=dist/$function.zip
# Status 3 is a function that does not exist.
status=$(deploy status --json "$@" "$zip" 2>&1) || [ $? = 3 ] || fail "${status#scf-deploy: }"
[ -n "$(setting OPENAI_API_KEY)" ] || has OPENAI_API_KEY ||
    fail "ask.env has no key: write it behind OPENAI_API_KEY=" 2
token=$(setting ASK_PUBLIC_TOKEN ASK_TOKEN)
if [ -z "$token" ] && ! has ASK_PUBLIC_TOKEN ASK_TOKEN; then
    token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    # The last line of a name counts.
    printf '\n# Made by deploy.sh: who has it may ask.\nASK_PUBLIC_TOKEN=%s\n' "$token" >>ask.env
    echo "ask.env: added an ASK_PUBLIC_TOKEN" >&2
fi

./package.sh "$function"
url=$(deploy --env-file ask.env "$@" "$zip")
url=$(printf '%s\n' "$url" | head -n 1)
token=${token%%,*}

echo
echo "$url"
question='Why is the sky blue? One sentence.'
if [ -z "$token" ]; then
    echo "the function has a token that ask.env lacks, so no question was asked" >&2
    exit
fi
echo "asking: $question" >&2
ASK_TOKEN=$token "$target/debug/ask" --url "$url" -- "$question"

echo
name=ASK_PUBLIC_TOKEN
[ -n "$(setting "$name")" ] || name=ASK_TOKEN
# The first token of the list.
first="s/^$name=\"*\([^,\"]*\).*/\1/p"
printf '%s\n' "curl -G '$url/' --data-urlencode 'question=hello' \\" \
    "    -H \"Authorization: Bearer \$(sed -n '$first' ask.env | tail -n 1)\""
# The link holds the token, so it stays out of files and pipes.
if [ -t 1 ] && [ "$name" = ASK_PUBLIC_TOKEN ]; then
    echo
    echo "in a browser: $url/?token=$token"
fi
