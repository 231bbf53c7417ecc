//! The command line: a question, `ask check` and `ask sign`.
//!
//! - `args`, `help`: the command line and its help.
//! - `variables`: the sources of settings. `input`: the question. `pictures`: those beside it.
//! - `output`: standard output and standard error.
//! - `provider`: asks the provider. `remote` asks a deployed function, at its `address`, and reads
//!   its `reply`. `finish` rejects an answer that was cut.
//! - `check/`: checks the provider or a function, step by step.
//! - `sign`: signs a link.
//! - `error`: exit status and sentence of a failure.

mod address;
mod args;
mod check;
mod error;
mod finish;
mod help;
mod input;
mod output;
mod pictures;
mod provider;
mod remote;
mod reply;
mod sign;
mod variables;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use ask_core::lang::Lang;

use address::Address;
use args::{AskArgs, Command};
use error::Error;
use output::{Output, print_error};
use remote::{Function, Question};
use variables::{Override, Variables};

/// Runs the command in the arguments of the process.
///
/// Returns status 0 after a whole answer, 1 after a failure, and 2 after wrong use.
pub fn run() -> ExitCode {
    ask_host::hide_panic_messages("ask");
    let lang = language();
    let mut output = Output::new();
    let args = env::args_os().skip(1).collect();
    let result = args::parse(args).and_then(|command| execute(command, &mut output, lang));
    // An answer that a failure cut ends its line, too.
    let (status, message) = match result.and(output.end_line()) {
        Ok(()) | Err(Error::ClosedPipe) => return ExitCode::SUCCESS,
        Err(Error::Reported) => return ExitCode::FAILURE,
        Err(Error::Failed(message)) => (ExitCode::FAILURE, message),
        Err(Error::Usage(message)) => (ExitCode::from(2), message),
    };
    print_error(message.get(lang));
    status
}

fn execute(command: Command, output: &mut Output, lang: Lang) -> Result<(), Error> {
    match command {
        Command::Print(text) => output.write(text.get(lang)),
        Command::Ask(args) => ask(args, output, lang),
        Command::Check(args) => check::run(args, output, lang),
        Command::Sign(args) => {
            let variables = read(args.env_file.clone(), [], lang)?;
            output.write(&sign::link(args, &variables)?)
        }
    }
}

fn ask(args: AskArgs, output: &mut Output, lang: Lang) -> Result<(), Error> {
    let pictures = pictures::read(&args.pictures)?;
    let question =
        || input::question(&args.words, lang)?.ok_or_else(|| Error::Usage(help::usage()));
    let Some(url) = &args.url else {
        let question = question()?;
        let system = Override::new("ASK_SYSTEM_PROMPT", "--system", args.system);
        let model = Override::new("OPENAI_MODEL", "--model", args.model);
        let variables = read(args.env_file, [system, model], lang)?;
        return provider::ask(&variables, &question, &pictures, output, lang);
    };
    let address = Address::parse(url)?;
    let text = match address.question() {
        None => Some(question()?),
        Some(_) if args.words.is_empty() && args.system.is_none() && pictures.is_empty() => None,
        Some(_) => {
            return Err(Error::usage(
                "the URL already has a question: leave out the words, --system and --image",
                "网址里已经有问题，请去掉后面的文字、--system 和 --image",
            ));
        }
    };
    let is_token_given = args.token.is_some();
    let token = Override::new("ASK_TOKEN", "--token", args.token);
    let variables = read(args.env_file, [token], lang)?;
    let function = Function::new(address, &variables, is_token_given, lang)?;
    let (system, model) = (args.system.as_deref(), args.model.as_deref());
    let question = Question { text: text.as_deref(), pictures: &pictures, system, model };
    remote::ask(&function, &question, output)
}

/// Reads the variables, and warns about a file that other users can read.
fn read<const N: usize>(
    env_file: Option<PathBuf>,
    overrides: [Option<Override>; N],
    lang: Lang,
) -> Result<Variables, Error> {
    let variables = Variables::read(env_file, overrides.into_iter().flatten().collect())?;
    if let Some(warning) = variables.shared_file() {
        print_error(warning.get(lang));
    }
    Ok(variables)
}

/// Returns the language of the locale.
fn language() -> Lang {
    let locales = ["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| env::var(name).unwrap_or_default());
    let locale = locales.into_iter().find(|locale| !locale.is_empty());
    Lang::from_locale(&locale.unwrap_or_default())
}
