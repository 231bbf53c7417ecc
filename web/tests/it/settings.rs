//! Invalid settings: the server starts all the same, and names them.

use crate::support::*;

#[test]
fn invalid_setting_is_an_error_on_the_proxy() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_EXTRA", "7").start();
    let line = app.line();
    assert_eq!((line["level"].as_str(), line["code"].as_str()), (Some("error"), Some("config")));
    let models = request("GET /v1/models", "");
    assert_proxy_error(&mut app.send(&models), 500, "config");
    let keyless = App::new(&listener).set("OPENAI_API_KEY", "").start();
    assert_proxy_error(&mut keyless.send(&models), 500, "config");
    listener.assert_unused();
}

#[test]
fn invalid_setting_is_the_answer_to_every_question() {
    let app = App::unset().set("OPENAI_API_KEY", KEY).set("ASK_RATE", "many").start();
    let response = app.send(&request("GET /?q=hi", "")).response();
    response.assert_error(500, "config");
    assert!(response.text().contains("ASK_RATE"));
}
