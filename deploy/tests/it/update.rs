//! A function that exists: `scf-deploy FUNCTION.zip` again, and `scf-deploy update`.

use serde_json::json;

use crate::{
    cloud::Fault,
    support::{ADDRESS, SECRET, Setup, zip},
};

/// A cloud with a function, and no record of how it came there.
fn deployed(args: &[&str]) -> Setup {
    let setup = Setup::new();
    setup.run(&[&["hello.zip"], args].concat()).ok();
    setup.changes();
    setup
}

fn variables(setup: &Setup) -> Vec<(String, String)> {
    setup.function("hello").variables.into_iter().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn second_run_changes_the_code_and_lists_the_rest() {
    let setup = deployed(&["--memory", "128", "--env", "A=1", "--env", "B=2"]);
    setup.folder.write("hello.zip", zip("bootstrap", "two"));
    let output = setup.run(&["hello.zip"]).ok();
    assert_eq!(output.stdout, format!("{ADDRESS}\ncurl '{ADDRESS}/'\n"));
    output.says(&[
        "updated hello in ap-singapore: code\n",
        "left as it was: memory 128 MB, timeout 60 s, variables A B, cap 1280 MB, Function URL\n",
    ]);
    assert_eq!(setup.changes(), ["UpdateFunctionCode"]);
    assert_eq!(setup.function("hello").code, zip("bootstrap", "two"));
}

#[test]
fn given_settings_are_changed_and_defaults_are_not() {
    let setup = deployed(&["--memory", "256", "--timeout", "10"]);
    setup.run(&["hello.zip", "--timeout", "20"]).ok().says(&["timeout 20 s (was 10)"]);
    let changes = setup.cloud.take_changes();
    assert_eq!(changes[1].action, "UpdateFunctionConfiguration");
    assert_eq!(changes[1].body, json!({"FunctionName": "hello", "Timeout": 20}));
    assert_eq!(setup.function("hello").memory, 256);
}

#[test]
fn settings_that_are_the_same_are_not_sent() {
    let setup = deployed(&["--memory", "256", "--env", "A=1"]);
    setup.run(&["hello.zip", "--memory", "256", "--env", "A=1"]).ok();
    assert_eq!(setup.changes(), ["UpdateFunctionCode"]);
}

#[test]
fn variables_that_the_file_lacks_are_kept() {
    let setup = deployed(&["--env", "A=1", "--env", "B=2"]);
    setup.folder.write("a.env", format!("A={SECRET}\nB=\nC=3\n"));
    setup
        .run(&["hello.zip", "--env-file", "a.env", "--env-default", "B=9"])
        .ok()
        .says(&["variables A C", "left as it was: memory 64 MB, timeout 60 s, variables B,"]);
    assert_eq!(variables(&setup), pairs(&[("A", SECRET), ("B", "2"), ("C", "3")]));
}

#[test]
fn prune_removes_the_variables_that_are_not_given() {
    let setup = deployed(&["--env", "A=1", "--env", "B=2"]);
    setup.run(&["hello.zip", "--env", "A=3", "--prune"]).ok().says(&["removed variables B"]);
    assert_eq!(variables(&setup), pairs(&[("A", "3")]));
    setup.run(&["hello.zip", "--prune"]).ok().says(&["removed variables A"]);
    assert_eq!(variables(&setup), []);
}

#[test]
fn one_variable_is_removed_by_an_empty_value() {
    let setup = deployed(&["--env", "A=1", "--env", "B=2"]);
    setup.run(&["hello.zip", "--env", "A="]).ok().says(&["removed variables A"]);
    assert_eq!(variables(&setup), pairs(&[("B", "2")]));
    setup.run(&["hello.zip", "--env", "B=", "--env", "B=3", "--env", "C=1", "--env", "C="]).ok();
    assert_eq!(variables(&setup), pairs(&[("B", "3")]));
}

#[test]
fn no_variables_are_written_if_the_cloud_does_not_show_them() {
    let setup = deployed(&["--env", "A=1"]);
    setup.cloud.state().hides_environment = true;
    let args = ["hello.zip", "--env", "B=2", "--env-default", "C=3", "--memory", "128"];
    setup.run(&args).ok().says(&["warning: ", "none were written", "--prune"]);
    assert_eq!(setup.function("hello").memory, 128);
    assert_eq!(variables(&setup), pairs(&[("A", "1")]));
    setup.run(&["hello.zip", "--env", "B=2", "--prune"]).ok();
    assert_eq!(variables(&setup), pairs(&[("B", "2")]));
}

#[test]
fn variable_without_its_value_counts_as_hidden() {
    let setup = deployed(&["--env", "A=1"]);
    setup.cloud.state().hides_values = true;
    setup.run(&["hello.zip", "--env", "B=2"]).ok().says(&["none were written"]);
    assert_eq!(variables(&setup), pairs(&[("A", "1")]));
}

#[test]
fn function_of_another_type_or_runtime_is_left_alone() {
    for (kind, runtime) in [("HTTP", "Go1"), ("Event", "Nodejs16.13"), ("HTTP", "CustomRuntime")] {
        let setup = deployed(&[]);
        {
            let mut state = setup.cloud.state();
            let function = state.functions.get_mut("hello").unwrap();
            (function.kind, function.runtime) = (kind.to_owned(), runtime.to_owned());
        }
        for command in [&["hello.zip"][..], &["update", "hello.zip"]] {
            setup.run(&[command, &["--memory", "128"]].concat()).failed().says(&[
                kind,
                runtime,
                "--name",
                "scf-deploy remove hello",
            ]);
        }
        assert!(setup.changes().is_empty());
    }
}

#[test]
fn cap_is_changed_only_if_it_is_given() {
    let setup = deployed(&["--cap", "128"]);
    setup.run(&["hello.zip"]).ok().says(&["cap 128 MB"]);
    assert_eq!(setup.function("hello").cap, Some(128));
    setup.run(&["hello.zip", "--cap", "256"]).ok();
    assert_eq!(setup.function("hello").cap, Some(256));
    setup.run(&["hello.zip", "--no-cap"]).ok();
    assert_eq!(setup.function("hello").cap, None);
    setup.run(&["hello.zip"]).ok().says(&["no cap"]);
    assert_eq!(setup.function("hello").cap, None);
}

#[test]
fn cap_below_one_instance_changes_nothing() {
    let setup = deployed(&["--memory", "256"]);
    setup.run(&["hello.zip", "--cap", "128"]).failed().says(&["--cap 128", "256 MB"]);
    setup.run(&["hello.zip", "--cap", "256", "--memory", "512"]).failed().says(&["512 MB"]);
    assert!(setup.changes().is_empty());
}

#[test]
fn memory_above_the_cap_needs_a_new_cap() {
    let setup = deployed(&[]);
    for command in [&["hello.zip"][..], &["update", "hello.zip"]] {
        setup
            .run(&[command, &["--memory", "1024"]].concat())
            .failed()
            .says(&["the cap of 640 MB", "--cap 10240"]);
    }
    assert!(setup.changes().is_empty());
    setup.run(&["hello.zip", "--memory", "1024", "--cap", "10240"]).ok();
    setup.run(&["hello.zip", "--memory", "2048"]).ok().says(&["cap 10240 MB"]);
}

#[test]
fn cap_is_set_before_a_url_is_opened_again() {
    let setup = deployed(&["--no-cap", "--memory", "128"]);
    setup.cloud.state().functions.get_mut("hello").unwrap().triggers.clear();
    setup.run(&["hello.zip"]).ok();
    assert_eq!(
        setup.changes(),
        ["UpdateFunctionCode", "PutReservedConcurrencyConfig", "CreateTrigger"]
    );
    assert_eq!(setup.function("hello").cap, Some(1280));
}

#[test]
fn cap_that_is_there_stays_when_a_url_is_opened() {
    let setup = deployed(&["--cap", "128"]);
    setup.cloud.state().functions.get_mut("hello").unwrap().triggers.clear();
    setup.run(&["hello.zip"]).ok().says(&["cap 128 MB"]);
    assert_eq!(setup.changes(), ["UpdateFunctionCode", "CreateTrigger"]);
}

#[test]
fn cap_that_may_not_be_read_is_left_alone() {
    let setup = deployed(&[]);
    let fault = Fault::Code("UnauthorizedOperation.CAM".to_owned());
    setup.cloud.fail("GetReservedConcurrencyConfig", fault);
    setup.run(&["hello.zip"]).ok().says(&["left as it was: ", "cap (not shown)"]);
    setup.cloud.state().functions.get_mut("hello").unwrap().triggers.clear();
    setup.run(&["hello.zip"]).failed().says(&["GetReservedConcurrencyConfig: "]);
    assert!(setup.function("hello").triggers.is_empty());
}

#[test]
fn function_whose_update_failed_is_updated_again() {
    let setup = deployed(&[]);
    setup.cloud.state().failure = Some(("UpdateFailed", "InvalidParameterValue.ZipFile", "bad"));
    setup.run(&["hello.zip"]).failed().says(&["UpdateFailed", "bad", "pack the function again"]);
    setup.cloud.state().failure = None;
    setup.run(&["hello.zip"]).ok();
}

#[test]
fn update_changes_code_and_given_settings_alone() {
    let setup = deployed(&["--no-cap"]);
    setup.cloud.state().functions.get_mut("hello").unwrap().triggers.clear();
    let output = setup.run(&["update", "hello.zip", "--memory", "128"]).ok();
    assert_eq!(output.stdout, "");
    assert_eq!(setup.changes(), ["UpdateFunctionCode", "UpdateFunctionConfiguration"]);
    setup.run(&["update", "--name", "hello", "--cap", "256"]).ok().says(&["cap 256 MB"]);
    assert_eq!(setup.changes(), ["PutReservedConcurrencyConfig"]);
    setup
        .run(&["update", "--name", "hello"])
        .ok()
        .says(&["updated hello in ap-singapore: nothing"]);
    assert!(setup.changes().is_empty());
}

#[test]
fn update_needs_a_function() {
    let setup = Setup::new();
    setup
        .run(&["update", "hello.zip"])
        .no_function()
        .says(&["hello in ap-singapore does not exist"]);
    assert!(setup.changes().is_empty());
}

#[test]
fn url_that_keeps_clients_out_is_warned_about() {
    let setup = deployed(&[]);
    let describe = |auth: &str, enable: i32| {
        let mut state = setup.cloud.state();
        let trigger = &mut state.functions.get_mut("hello").unwrap().triggers[0];
        let description = json!({"AuthType": auth, "NetConfig": {"EnableExtranet": true, "ExtranetUrl": ADDRESS}});
        trigger["TriggerDesc"] = json!(description.to_string());
        trigger["Enable"] = json!(enable);
    };
    describe("CAM", 1);
    setup.run(&["hello.zip"]).ok().says(&["warning: ", "CAM"]);
    describe("NONE", 0);
    setup.run(&["hello.zip"]).ok().says(&["warning: ", "switched off"]);
}

#[test]
fn url_of_the_default_alias_comes_first() {
    let setup = deployed(&[]);
    {
        let mut state = setup.cloud.state();
        let triggers = &mut state.functions.get_mut("hello").unwrap().triggers;
        let mut other = triggers[0].clone();
        other["Qualifier"] = json!("$LATEST");
        other["TriggerDesc"] =
            json!(json!({"NetConfig": {"ExtranetUrl": "https://b"}}).to_string());
        triggers.insert(0, other);
        triggers.insert(0, json!({"Type": "timer", "TriggerName": "t", "TriggerDesc": "{}"}));
    }
    assert!(setup.run(&["hello.zip"]).ok().stdout.starts_with(ADDRESS));
}

#[test]
fn values_that_occur_in_answers_do_no_harm() {
    let values = ["A=Active", "B=Event", "C=CustomRuntime", "D=https", "E=ap-singapore"];
    let env: Vec<_> = values.iter().flat_map(|value| ["--env", value]).collect();
    let setup = deployed(&env);
    assert!(setup.run(&["hello.zip"]).ok().stdout.starts_with(ADDRESS));
    assert!(setup.run(&["status", "hello"]).ok().stdout.contains("Active"));
    assert!(setup.run(&["url", "hello"]).ok().stdout.starts_with(ADDRESS));
}
