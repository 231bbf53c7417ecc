//! The events and answers that are measured.

/// An event, and the answer to its question.
#[derive(Clone, Copy)]
pub(crate) enum Exchange {
    /// A short event and an answer of 80 bytes.
    Light,
    /// An event of 1.1 kB and an answer of 500 bytes, most of it Chinese.
    Real,
}

/// A Function URL's event (<https://cloud.tencent.com/document/product/583/96099>), with the
/// headers of curl.
const LIGHT_EVENT: &str = r#"{"body":"","headers":{"accept":"*/*","accept-encoding":"gzip, deflate, br","accept-language":"en;q=0.9","host":"1300000000-abcdefgh12.ap-singapore.tencentscf.com","user-agent":"curl/8.5.0","x-scf-remote-addr":"203.0.113.7"},"httpMethod":"GET","path":"/","queryString":{"question":"What is Rust?"}}"#;

/// An API Gateway's event (<https://cloud.tencent.com/document/product/583/12513>), with the
/// headers of a browser.
const REAL_EVENT: &str = r#"{"requestContext":{"serviceId":"service-f94sy04v","path":"/ask","httpMethod":"GET","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","identity":{"secretId":"abdcdxxxxxxxsdfs"},"sourceIp":"203.0.113.7","stage":"release"},"headers":{"accept":"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8","accept-encoding":"gzip, deflate, br, zstd","accept-language":"zh-CN,zh;q=0.9,en;q=0.8","connection":"keep-alive","host":"service-f94sy04v-1300000000.gz.apigw.tencentcs.com","sec-fetch-dest":"document","sec-fetch-mode":"navigate","sec-fetch-site":"none","upgrade-insecure-requests":"1","user-agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36","x-api-requestid":"7f2b1a3f0d4c4b7e9a51","x-api-scheme":"https","x-forwarded-for":"203.0.113.7","x-qualifier":"$DEFAULT"},"body":"","pathParameters":{},"queryString":{"question":"Rust 的所有权是什么?"},"queryStringParameters":{},"headerParameters":{},"stageVariables":{"stage":"release"},"path":"/ask","httpMethod":"GET","isBase64Encoded":false}"#;

const LIGHT_ANSWER: &str =
    "Rust is a language. Rust is a language. Rust is a language. Rust is a language. ";

const REAL_ANSWER: &str = "Rust 的“所有权”是一套规则:每个值都有一个\"所有者\",同一时刻只有一个;\
所有者离开作用域时,值就被释放。\n\n把值赋给另一个变量会\"移动\"它,原来的变量从此不能再用。\
不想移动时可以\"借用\":`&T` 可以有很多个,`&mut T` 同时只能有一个。\n\n编译器在编译时检查这些规则,\
所以程序运行时不需要垃圾回收,也不会出现\"悬垂指针\"。";

impl Exchange {
    /// The answer as the upstream writes it.
    pub(crate) fn answer(self) -> &'static str {
        match self {
            Self::Light => LIGHT_ANSWER,
            Self::Real => REAL_ANSWER,
        }
    }

    /// The event as the platform sends it.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Light => LIGHT_EVENT,
            Self::Real => REAL_EVENT,
        }
    }
}
