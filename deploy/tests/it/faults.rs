//! Each step fails once, or for good; the next run ends the same.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
};

use crate::{
    cloud::{Fault, Function},
    support::{ADDRESS, Output, Setup, zip},
};

/// The steps of a creation.
const CREATE: &[&str] = &[
    "GetFunction",
    "CreateFunction",
    "ListTriggers",
    "PutReservedConcurrencyConfig",
    "CreateTrigger",
];

/// The steps of an update of code, settings and cap.
const UPDATE: &[&str] = &[
    "GetFunction",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
    "ListTriggers",
    "GetReservedConcurrencyConfig",
    "PutReservedConcurrencyConfig",
];

const ARGS: &[&str] = &["hello.zip", "--memory", "128", "--env", "A=1", "--cap", "256"];

fn code(code: &str) -> Fault {
    Fault::Code(code.to_owned())
}

/// A cloud without the function, or with an older one.
fn setup(exists: bool) -> Setup {
    let setup = Setup::new();
    if exists {
        setup.folder.write("old.zip", zip("bootstrap", "old"));
        setup.run(&["old.zip", "--name", "hello", "--env", "A=0"]).ok();
    }
    setup
}

/// The state of a function after all steps.
fn end(function: &Function) -> String {
    let Function { code, memory, timeout, variables, cap, triggers, status, .. } = function;
    format!("{code:?} {memory} {timeout} {variables:?} {cap:?} {triggers:?} {status}")
}

fn expected(exists: bool) -> String {
    let setup = setup(exists);
    setup.run(ARGS).ok();
    end(&setup.function("hello"))
}

#[track_caller]
fn check_ends_the_same(setup: &Setup, output: Output, expected: &str) {
    let output = output.ok();
    assert!(output.stdout.starts_with(ADDRESS), "{output:?}");
    assert_eq!(end(&setup.function("hello")), expected);
}

/// Lets each step fail once in a way that one run survives.
fn check_once(exists: bool, steps: &[&str], faults: &[Fault]) {
    let expected = expected(exists);
    for step in steps {
        for fault in faults {
            let setup = setup(exists);
            setup.cloud.fail_times(step, fault.clone(), 2);
            let output = setup.run(ARGS);
            check_ends_the_same(&setup, output, &expected);
        }
    }
}

#[test]
fn network_failures_are_retried() {
    let faults =
        [Fault::CloseBefore, Fault::CloseAfter, Fault::Status(502), code("RequestLimitExceeded")];
    check_once(false, CREATE, &faults);
    check_once(true, UPDATE, &faults);
}

#[test]
fn other_changes_are_waited_for() {
    let changes = |step: &&&str| !step.starts_with("Get") && !step.starts_with("List");
    for (exists, steps) in [(false, CREATE), (true, UPDATE)] {
        let steps: Vec<_> = steps.iter().filter(changes).copied().collect();
        check_once(
            exists,
            &steps,
            &[
                code("FailedOperation.FunctionStatusError"),
                code("FailedOperation.FunctionNameStatusError"),
                code("ResourceInUse"),
                code("FailedOperation.ReservedInProgress"),
            ],
        );
    }
    check_once(true, &["UpdateFunctionCode"], &[code("FailedOperation.UpdateFunctionCode")]);
    check_once(false, &["CreateTrigger"], &[code("FailedOperation.CreateTrigger")]);
}

#[test]
fn next_run_after_a_failure_at_any_step_ends_the_same() {
    for (exists, steps) in [(false, CREATE), (true, UPDATE)] {
        let expected = expected(exists);
        for step in steps {
            for fault in [
                code("InternalError"),
                code("UnauthorizedOperation.CAM"),
                code("FailedOperation.FunctionStatusError"),
                Fault::CloseBefore,
                Fault::CloseAfter,
            ] {
                let setup = setup(exists);
                setup.cloud.fail(step, fault.clone());
                let output = setup.run(ARGS).failed();
                assert_eq!(output.stdout, "", "{step} {fault:?}");
                let output = output.says(&[step]);
                if let Fault::Code(code) = &fault {
                    output.says(&[code]);
                }
                setup.cloud.heal();
                let output = setup.run(ARGS);
                check_ends_the_same(&setup, output, &expected);
            }
        }
    }
}

#[test]
fn url_never_opens_without_the_cap() {
    for fault in [code("InternalError"), Fault::CloseBefore] {
        let setup = Setup::new();
        setup.cloud.fail("PutReservedConcurrencyConfig", fault);
        for _ in 0..2 {
            setup.run(&["hello.zip"]).failed();
            assert!(setup.function("hello").triggers.is_empty());
        }
        setup.cloud.heal();
        setup.run(&["hello.zip"]).ok();
        assert_eq!(setup.function("hello").cap, Some(640));
    }
}

#[test]
fn endpoint_without_a_way_to_read_the_cap_sets_it() {
    let setup = Setup::new();
    setup.cloud.fail("GetReservedConcurrencyConfig", code("InvalidAction"));
    setup.cloud.fail_times("CreateTrigger", code("InternalError"), 1);
    setup.run(&["hello.zip"]).failed();
    setup.run(&["hello.zip"]).ok();
    assert_eq!(setup.function("hello").cap, Some(640));
}

#[test]
fn two_runs_at_the_same_time_end_the_same() {
    let setup = Setup::new();
    thread::scope(|scope| {
        let runs: Vec<_> =
            (0..3).map(|_| scope.spawn(|| setup.command(ARGS).output().unwrap())).collect();
        for run in runs {
            let output = run.join().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{stderr}");
            assert!(output.stdout.starts_with(ADDRESS.as_bytes()), "{stderr}");
        }
    });
    assert_eq!(end(&setup.function("hello")), expected(false));
}

#[test]
fn run_that_was_killed_can_be_repeated() {
    let setup = Setup::new();
    setup.cloud.state().looks = 1000;
    let mut child = setup.command(ARGS).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("hello: Creating")));
    child.kill().unwrap();
    child.wait().unwrap();
    setup.cloud.state().looks = 2;
    setup.cloud.state().finish_changes();
    let output = setup.run(ARGS);
    check_ends_the_same(&setup, output, &expected(false));
}

#[test]
fn function_that_never_becomes_active_is_an_error() {
    let setup = Setup::new();
    setup.cloud.state().looks = 1_000_000;
    setup.run(&["hello.zip"]).failed().says(&["still in the state Creating", "again later"]);
}

#[test]
fn lost_reply_of_an_invocation_is_not_repeated() {
    let setup = setup(true);
    setup.cloud.fail("InvokeFunction", Fault::CloseAfter);
    setup.run(&["invoke", "hello"]).failed();
    let calls = setup.cloud.calls();
    assert_eq!(calls.iter().filter(|call| call.action == "InvokeFunction").count(), 1);
}
