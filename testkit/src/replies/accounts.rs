//! Errors of the key, the quota, the region and the model: the next key or model is tried.

use super::row::{Row, body, json, page};

pub(super) fn rows() -> Vec<Row> {
    [keys(), quotas(), regions(), models()].concat()
}

fn keys() -> Vec<Row> {
    let key = |status, name, error: &str| {
        json(status, name, error).fails("upstream_key").says("OPENAI_API_KEY")
    };
    vec![
        key(
            401,
            "OpenAI: a wrong key",
            r#"{"error":{"message":"Incorrect API key provided: sk-Zq7Wx***8Gf. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        ),
        key(
            401,
            "OpenAI: no member of an organization",
            r#"{"error":{"message":"You must be a member of an organization to use the API.","type":"invalid_request_error","param":null,"code":null}}"#,
        ),
        key(
            401,
            "Azure: a wrong key or address",
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}"#,
        ),
        key(
            400,
            "Gemini: a wrong key",
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}]"#,
        ),
        key(
            400,
            "Gemini: an old key",
            r#"[{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}]"#,
        ),
        key(
            400,
            "Gemini: a wrong key by its reason",
            r#"{"error":{"code":400,"message":"Request is invalid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
        ),
        key(
            401,
            "DeepSeek: a wrong key",
            r#"{"error":{"message":"Authentication Fails, Your api key: ****8Gf is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}"#,
        ),
        key(
            401,
            "Bailian: a wrong key",
            r#"{"error":{"message":"Incorrect API key provided. ","type":"invalid_request_error","param":null,"code":"invalid_api_key"},"request_id":"1"}"#,
        ),
        key(
            401,
            "DashScope: a wrong key",
            r#"{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"1"}"#,
        ),
        key(
            401,
            "Zhipu: no proof of identity",
            r#"{"error":{"code":"1000","message":"身份验证失败。"}}"#,
        ),
        key(
            401,
            "Moonshot: a wrong key",
            r#"{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}"#,
        ),
        key(
            401,
            "Baidu: a wrong key",
            r#"{"error":{"code":"invalid_iam_token","message":"IAM Certification failed","type":"invalid_request_error"},"id":"as-1"}"#,
        ),
        key(
            401,
            "Volcengine: a wrong key",
            r#"{"error":{"code":"AuthenticationError","message":"The API key or AK/SK in the request is missing or invalid. Request id: 1","param":"","type":"Unauthorized"}}"#,
        ),
        key(401, "SiliconFlow: a text as JSON", r#""Invalid token""#),
        key(401, "SiliconFlow: a text", "Api key is invalid"),
        key(
            401,
            "MiniMax: a wrong key",
            r#"{"type":"error","error":{"type":"authorized_error","message":"invalid api key (2049)","http_code":"401"},"request_id":"1"}"#,
        ),
        key(401, "Mistral: a wrong key", r#"{"message":"Unauthorized","request_id":"1"}"#),
        key(
            401,
            "Groq: a wrong key",
            r#"{"error":{"message":"Invalid API Key","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        ),
        key(
            400,
            "xAI: a wrong key",
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: sk***b. You can obtain an API key from https://console.x.ai."}"#,
        ),
        key(
            401,
            "Anthropic: a wrong key",
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_1"}"#,
        ),
        key(
            401,
            "LiteLLM: a wrong key",
            r#"{"error":{"message":"Authentication Error, Invalid proxy server token passed. Received API Key = sk-...8Gf","type":"token_not_found_in_db","param":"key","code":"401"}}"#,
        ),
        key(401, "vLLM: a wrong key", r#"{"error":"Unauthorized"}"#),
        key(
            401,
            "new-api: a wrong key",
            r#"{"error":{"code":"","message":"无效的令牌 (request id: 1)","type":"new_api_error"}}"#,
        ),
        key(403, "a relay: an old key with 403", r#"{"message":"Your API key has expired"}"#),
        key(400, "a relay: a wrong key with 400", r#"{"success":false,"msg":"invalid apikey"}"#),
        key(
            401,
            "Cloudflare: a wrong key",
            r#"{"result":null,"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[]}"#,
        ),
        page(
            401,
            "openresty: a web page",
            "<html><head><title>401 Authorization Required</title></head></html>",
        )
        .fails("upstream_key"),
        body(401, "401 without a body", "").fails("upstream_key"),
    ]
}

fn quotas() -> Vec<Row> {
    let quota = |status, name, error: &str| {
        json(status, name, error).fails("upstream_quota").says("OPENAI_API_KEY")
    };
    vec![
        quota(
            429,
            "OpenAI: no quota",
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        ),
        quota(
            402,
            "DeepSeek: no balance",
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
        ),
        quota(
            429,
            "Zhipu: no balance",
            r#"{"error":{"code":"1113","message":"余额不足或无可用资源包,请充值。"}}"#,
        ),
        quota(
            429,
            "Zhipu: a number as the code",
            r#"{"error":{"code":1113,"message":"您的账户已欠费，请充值后重试"}}"#,
        ),
        quota(
            403,
            "new-api: no quota",
            r#"{"error":{"message":"用户额度不足, 剩余额度: ¥-0.01 (request id: 1)","type":"new_api_error","param":"","code":"insufficient_user_quota"}}"#,
        ),
        quota(
            403,
            "one-api: a token without quota",
            r#"{"error":{"message":"token quota is not enough, token remain quota: 0","type":"one_api_error","code":"pre_consume_token_quota_failed"}}"#,
        ),
        quota(
            403,
            "sub2api: no balance",
            r#"{"code":"INSUFFICIENT_BALANCE","message":"Insufficient account balance"}"#,
        ),
        quota(
            403,
            "SiliconFlow: no balance",
            r#"{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}"#,
        ),
        quota(
            403,
            "Volcengine: an overdue account",
            r#"{"error":{"code":"AccountOverdueError","message":"The request failed because your account has an overdue balance.","param":"","type":"Forbidden"}}"#,
        ),
        quota(
            400,
            "Bailian: an overdue account",
            r#"{"error":{"code":"Arrearage","param":null,"message":"Access denied, please make sure your account is in good standing.","type":"Arrearage"},"request_id":"1"}"#,
        ),
        quota(
            429,
            "Moonshot: a suspended account",
            r#"{"error":{"message":"Your account org-xx is suspended, please check your plan and billing details","type":"exceeded_current_quota_error"}}"#,
        ),
        quota(
            402,
            "OpenRouter: no credits",
            r#"{"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402},"user_id":"user_1"}"#,
        ),
        quota(
            402,
            "Hugging Face: no credits",
            r#"{"error":"You have exceeded your monthly included credits for Inference Providers."}"#,
        ),
        quota(
            400,
            "Anthropic: no credit",
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        ),
        quota(
            500,
            "MiniMax: no balance with 500",
            r#"{"type":"error","error":{"type":"api_error","message":"insufficient balance (1008)"},"request_id":"1"}"#,
        ),
        quota(
            429,
            "ModelScope: no balance behind it",
            r#"{"error":{"http_code":"429","message":"insufficient balance (1008)","type":"insufficient_balance_error"},"request_id":"1"}"#,
        ),
        quota(
            403,
            "a relay: the words in a list",
            r#"{"errors":[{"code":7,"message":"not enough credits"}]}"#,
        ),
        body(402, "402 without a body", "").fails("upstream_quota"),
    ]
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
    ]
}
