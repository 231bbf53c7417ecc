//! A new function: `scf-deploy FUNCTION.zip`.

use serde_json::json;

use crate::support::{SECRET, Setup, zip};

const ADDRESS: &str = "https://1250000000-abcdefghij.ap-singapore.tencentscf.com";

#[test]
fn new_function_is_created_capped_and_opened() {
    let setup = Setup::new();
    let output = setup.run(&["hello.zip"]).ok();
    assert_eq!(output.stdout, format!("{ADDRESS}\ncurl '{ADDRESS}/'\n"));
    assert_eq!(
        setup.changes(),
        ["CreateFunction", "PutReservedConcurrencyConfig", "CreateTrigger"]
    );
    let state = setup.cloud.state();
    let function = &state.functions["hello"];
    assert_eq!(function.code, zip("bootstrap", "one"));
    assert_eq!((&*function.kind, &*function.runtime), ("Event", "CustomRuntime"));
    assert_eq!((function.memory, function.timeout, function.cap), (64, 60, Some(640)));
    let _ = (json!(1), SECRET);
}
