//! Errors of the region and of the model: the next key or model is tried.

use super::row::{Row, event, json};

pub(super) fn rows() -> Vec<Row> {
    [regions(), models()].concat()
}

fn regions() -> Vec<Row> {
    let region = |status, name, error: &str| json(status, name, error).fails("upstream_region");
    vec![
        region(
            400,
            "Gemini: a location",
            r#"[{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}]"#,
        ),
        region(
            403,
            "OpenRouter: a region",
            r#"{"error":{"message":"This model is not available in your region.","code":403}}"#,
        ),
        region(
            403,
            "a relay: a country behind it",
            r#"{"error":{"message":"Provider returned error","code":403,"metadata":{"raw":"{\"error\":{\"code\":\"unsupported_country_region_territory\",\"message\":\"No.\"}}","provider_name":"OpenAI"}}}"#,
        ),
    ]
}

fn models() -> Vec<Row> {
    let model = |status, name, error: &str| {
        json(status, name, error).fails("upstream_model").says("OPENAI_MODEL").says("gpt-first")
    };
    vec![
        model(
            404,
            "OpenAI: no model",
            r#"{"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        ),
        model(
            403,
            "OpenAI: no access to the model",
            r#"{"error":{"message":"Project `proj_1` does not have access to model `gpt-9`","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        ),
        model(
            404,
            "OpenAI: an old model",
            r#"{"error":{"message":"The model `gpt-3.5-turbo` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations","type":"invalid_request_error","param":null,"code":null}}"#,
        ),
        model(
            404,
            "Gemini: no model",
            r#"[{"error":{"code":404,"message":"models/gemini-pro is not found for API version v1main, or is not supported for generateContent.","status":"NOT_FOUND"}}]"#,
        ),
        model(
            400,
            "DeepSeek: no model",
            r#"{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
        ),
        model(
            404,
            "Bailian: no model",
            r#"{"error":{"message":"The model `qwen-9` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"},"request_id":"1"}"#,
        ),
        model(
            400,
            "Zhipu: no model",
            r#"{"error":{"code":"1211","message":"模型不存在，请检查模型代码。"}}"#,
        ),
        model(
            404,
            "Moonshot: no model",
            r#"{"error":{"message":"Not found the model moonshot-9 or Permission denied","type":"resource_not_found_error"}}"#,
        ),
        model(
            404,
            "Volcengine: no model",
            r#"{"error":{"code":"InvalidEndpointOrModel.NotFound","message":"The model or endpoint ep-1 does not exist or you do not have access to it.","param":"","type":"NotFound"}}"#,
        ),
        model(
            404,
            "Volcengine: a model that is not open",
            r#"{"error":{"code":"ModelNotOpen","message":"Your account 1 has not activated the model doubao-9.","param":"","type":"NotFound"}}"#,
        ),
        model(
            400,
            "Baidu: no model",
            r#"{"error":{"code":"invalid_model","message":"No permission to use the model","type":"invalid_request_error"},"id":"as-1"}"#,
        ),
        model(
            400,
            "SiliconFlow: no model",
            r#"{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}"#,
        ),
        model(
            400,
            "Mistral: no model",
            r#"{"object":"error","message":"Invalid model: mistral-9","type":"invalid_model","param":null,"code":"1500"}"#,
        ),
        model(
            404,
            "vLLM: no model",
            r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}"#,
        ),
        model(
            404,
            "Ollama: no model",
            r#"{"error":{"message":"model \"llama9\" not found, try pulling it first","type":"api_error","param":null,"code":null}}"#,
        ),
        model(404, "Ollama: no model as a text", r#"{"error":"model 'llama9' not found"}"#),
        model(
            503,
            "new-api: no channel",
            r#"{"error":{"code":"model_not_found","message":"分组 default 下模型 gpt-9 无可用渠道（distributor） (request id: 1)","type":"new_api_error"}}"#,
        ),
        model(
            503,
            "one-api: no channel by its words",
            r#"{"error":{"message":"当前分组 default 下对于模型 gpt-9 无可用渠道 (request id: 1)","type":"one_api_error"}}"#,
        ),
        model(
            503,
            "new-api: no channel in English",
            r#"{"error":{"message":"No available channel for model gpt-9 under group default (distributor)","type":"new_api_error"}}"#,
        ),
        model(
            404,
            "Fireworks: no model",
            r#"{"error":{"object":"error","type":"invalid_request_error","code":"NOT_FOUND","message":"Model not found, inaccessible, and/or not deployed"}}"#,
        ),
        model(
            404,
            "xAI: no model",
            r#"{"code":"Some requested entity was not found","error":"The model grok-9 does not exist or your team 1 does not have access to it."}"#,
        ),
        model(
            400,
            "Xinference: no model",
            r#"{"detail":"[address=0.0.0.0:1, pid=2] Model not found in the model list, uid: x"}"#,
        ),
        model(
            404,
            "LM Studio: no model",
            r#"{"error":{"message":"Failed to load model \"x\".","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
        ),
        model(
            404,
            "Azure: no deployment",
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}"#,
        ),
        model(
            400,
            "Groq: an old model",
            r#"{"error":{"message":"The model `x` has been decommissioned and is no longer supported.","type":"invalid_request_error","code":"model_decommissioned"}}"#,
        ),
        model(
            400,
            "LiteLLM: no model",
            r#"{"error":{"message":"{'error': '/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models for your key.'}","type":"None","param":"None","code":"400"}}"#,
        ),
        model(
            404,
            "OpenRouter: no endpoint",
            r#"{"error":{"message":"No endpoints found for x/y:free.","code":404},"user_id":"user_1"}"#,
        ),
        model(
            400,
            "OpenRouter: no model",
            r#"{"error":{"message":"x/y is not a valid model ID","code":400},"user_id":"user_1"}"#,
        ),
        model(
            400,
            "GitHub: no model",
            r#"{"error":{"code":"unknown_model","message":"Unknown model: x","details":"Unknown model: x"}}"#,
        ),
        model(
            400,
            "Hugging Face: no model",
            r#"{"error":{"message":"The requested model 'x' is not supported by any provider you have enabled.","type":"invalid_request_error","param":"model","code":"model_not_supported"}}"#,
        ),
        model(
            404,
            "Together: no model",
            r#"{"id":"1","error":{"message":"Unable to access model x. Please visit https://api.together.ai/models to view the list of supported models.","type":"invalid_request_error","param":null,"code":"model_not_available"}}"#,
        ),
        model(
            200,
            "MiniMax: no model",
            r#"{"base_resp":{"status_code":2013,"status_msg":"invalid params, unknown model 'x' (2013)"}}"#,
        ),
        model(
            404,
            "Anthropic: no model",
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#,
        ),
        event(
            404,
            "an error with 404 as an event",
            "event: error\ndata: {\"error\":{\"code\":\"model_not_found\",\"message\":\"no\"}}\n\n",
        )
        .fails("upstream_model"),
    ]
}
