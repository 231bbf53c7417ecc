//! Prints a variable of a settings file for scripts: `envfile FILE NAME…`.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let (Some(file), names) = (args.next(), args.collect::<Vec<_>>()) else {
        return usage();
    };
    if names.is_empty() {
        return usage();
    }
    let variables = match envfile::read(&file) {
        Ok(variables) => variables,
        Err(error) => {
            eprintln!("envfile: {error}");
            return ExitCode::FAILURE;
        }
    };
    let value = names.iter().find_map(|name| {
        let variable = variables.iter().find(|variable| name.to_str() == Some(&variable.name))?;
        Some(&variable.value).filter(|value| !value.is_empty())
    });
    match value {
        Some(value) => println!("{value}"),
        None => println!(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("envfile: prints the first of these variables that has a value, or an empty line");
    eprintln!("usage: envfile FILE NAME...");
    ExitCode::from(2)
}
