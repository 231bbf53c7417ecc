//! The command `scf-deploy`: a zip to a Function URL.

mod args;
mod terminal;

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, ensure};
use args::{Args, Command, Request};
use scf_deploy::{
    Client, Credentials, Deployment, Function, LogLine, NoFunction, Package, Settings, Status,
    printable, warn_if_shared,
};

fn main() -> ExitCode {
    let args = match args::parse(lexopt::Parser::from_env()) {
        Ok(Request::Run(args)) => args,
        Ok(Request::Print(text)) => return finish(print(&text)),
        Err(error) => {
            report(&format!("{error:#}"));
            return ExitCode::from(2);
        }
    };
    finish(run(*args))
}

/// Maps the result to the exit status. A closed pipe ends the command quietly.
fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<NoFunction>() => {
            report(&error.to_string());
            ExitCode::from(3)
        }
        Err(error) => {
            report(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())?;
    Ok(())
}

/// Writes an error or a warning to standard error.
fn report(line: &str) {
    say(&format!("scf-deploy: {line}"));
}

/// Writes a line of progress to standard error.
fn say(line: &str) {
    // There is no other place to write to if standard error is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

fn run(args: Args) -> anyhow::Result<()> {
    let package = match &args.zip {
        Some(path) => Some(Package::read(path, args.kind)?),
        None => None,
    };
    let settings = settings(&args)?;
    settings.check()?;
    let event = event(&args)?;
    let credentials = Credentials::find(&report)?;
    let mut client = Client::new(args.endpoint, args.region, credentials, say);
    client.poll = args.poll;
    if let Some(endpoint) = args.cls_endpoint {
        client.cls_endpoint = endpoint;
    }
    let function = Function::new(&client, args.name, args.namespace)?;
    match args.command {
        Command::Deploy | Command::Update => {
            let deployment = match (&package, args.command) {
                (Some(package), Command::Deploy) => function.deploy(package, &settings)?,
                (package, _) => function.update(package.as_ref(), &settings)?,
            };
            print_deployment(&deployment, args.json)
        }
        Command::Status => print_status(&function.status()?, args.json),
        Command::Url => {
            let (address, limits) = function.url()?;
            limits.iter().for_each(|limit| report(&format!("warning: {limit}")));
            print(&format!("{address}\n"))
        }
        Command::Logs => {
            let mut lines = 0;
            function.logs(args.follow, |line| {
                lines += 1;
                let LogLine { time, request_id, message } = line;
                print(&format!("{}\n", printable(&format!("{time}  {request_id}  {message}"))))
            })?;
            if lines == 0 {
                say("no log lines in the last hour (new ones take up to a minute)");
            }
            Ok(())
        }
        Command::Invoke => {
            let invocation = function.invoke(&event)?;
            if !invocation.log.is_empty() {
                say(printable(invocation.log.trim_end()).as_str());
            }
            say(&invocation.summary);
            print(&format!("{}\n", invocation.reply))?;
            match invocation.error {
                Some(error) => anyhow::bail!("the function failed: {}", printable(&error)),
                None => Ok(()),
            }
        }
        Command::Remove => {
            let removed = function.remove()?;
            if args.json {
                return print(&format!("{}\n", serde_json::json!({"removed": removed})));
            }
            let place = function.place();
            say(&if removed {
                format!("removed {place}")
            } else {
                format!("nothing to remove: function {place} does not exist")
            });
            Ok(())
        }
    }
}

/// Adds the variables of the files to those of the options, which win.
fn settings(args: &Args) -> anyhow::Result<Settings> {
    let mut settings = args.settings.clone();
    let given = settings.variables.set.clone();
    for path in &args.env_files {
        let variables = envfile::read(path)?;
        if variables.iter().any(|variable| holds_key(&variable.name, &variable.value)) {
            warn_if_shared(path, &report);
        }
        for variable in variables {
            // An empty value counts as none, so that a template with empty lines changes nothing.
            let unset = settings.variables.unset.contains(&variable.name);
            if !variable.value.is_empty() && !unset {
                settings.variables.set.insert(variable.name, variable.value);
            }
        }
    }
    settings.variables.set.extend(given);
    Ok(settings)
}

/// Returns whether a variable looks like a secret, by its name or by a password in a URL.
fn holds_key(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = ["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL"];
    let password = value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    !value.is_empty() && (password || words.iter().any(|word| name.contains(word)))
}

/// Reads the event of `invoke`.
fn event(args: &Args) -> anyhow::Result<String> {
    let (name, text) = match &args.event {
        None => return Ok("{}".to_owned()),
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("standard input")?;
            ("standard input".to_owned(), text)
        }
        Some(path) => {
            let name = path.display().to_string();
            (name.clone(), std::fs::read_to_string(path).context(name)?)
        }
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    ensure!(!text.is_empty(), "{name}: the event is empty; write JSON, such as {{}}");
    let parsed = serde_json::from_str::<serde::de::IgnoredAny>(text);
    parsed.with_context(|| format!("{name}: invalid JSON"))?;
    Ok(text.to_owned())
}

fn print_deployment(deployment: &Deployment, json: bool) -> anyhow::Result<()> {
    let Deployment { name, region, created, changed, kept, url, warnings } = deployment;
    let verb = if *created { "created" } else { "updated" };
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
    say(&format!("{verb} {name} in {region}: {changed}"));
    if !kept.is_empty() {
        say(&format!("left as it was: {}", kept.join(", ")));
    }
    warnings.iter().for_each(|warning| report(&format!("warning: {warning}")));
    if json {
        return print(&format!("{}\n", serde_json::to_string(deployment)?));
    }
    match url {
        Some(url) => {
            print(&format!("{url}\ncurl '{url}/'\n"))?;
            match terminal::qr_code(url) {
                Some(code) => print(&code),
                None => Ok(()),
            }
        }
        None => Ok(()),
    }
}

fn print_status(status: &Status, json: bool) -> anyhow::Result<()> {
    if json {
        return print(&format!("{}\n", serde_json::to_string(status)?));
    }
    let Status { name, region, status, kind, runtime, memory, timeout, variables, cap, url } =
        status;
    let variables = match variables {
        Some(names) if names.is_empty() => "none".to_owned(),
        Some(names) => names.join(" "),
        None => "not shown".to_owned(),
    };
    let cap = cap.map_or("none".to_owned(), |cap| format!("{cap} MB"));
    print(&format!(
        "name       {name}\n\
         region     {region}\n\
         state      {status}\n\
         type       {kind}, {runtime}\n\
         memory     {memory} MB\n\
         timeout    {timeout} s\n\
         variables  {variables}\n\
         cap        {cap}\n\
         address    {}\n",
        url.as_deref().unwrap_or("none")
    ))
}
