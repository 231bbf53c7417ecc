//! English or Chinese, and the weighted lists of HTTP's `Accept…` headers.

use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, HeaderName};

/// The language of a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English, unless the caller prefers Chinese.
    #[default]
    En,
    /// Chinese, simplified.
    Zh,
}

impl Lang {
    /// Chinese where `Accept-Language` prefers it to English.
    pub fn of(headers: &HeaderMap) -> Self {
        let language = |range: &str| {
            let primary = range.split('-').next().unwrap_or_default();
            let is = |language: &str| primary.eq_ignore_ascii_case(language);
            is("zh").then_some(Self::Zh).or(is("en").then_some(Self::En))
        };
        preferred(headers, ACCEPT_LANGUAGE, language).unwrap_or_default()
    }

    /// Chinese where the locale (`LC_ALL`, `LC_MESSAGES` or `LANG`, as `zh_CN.UTF-8`) is a Chinese one.
    pub fn of_locale(locale: &str) -> Self {
        if locale.starts_with("zh") { Self::Zh } else { Self::En }
    }
}

/// A sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Sentence {
    /// The sentence in both languages.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }

    /// The sentence in one of them.
    pub fn to(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// What the caller likes best of what is known here: the heaviest member of an `Accept…` header, the earlier among equals.
/// Members come without their parameters; what is weighted 0 is not acceptable (RFC 9110, 12.4.2).
pub(crate) fn preferred<T>(
    headers: &HeaderMap,
    name: HeaderName,
    known: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut best = None;
    let mut heaviest = 0.0;
    for member in values.flat_map(|value| value.split(',')) {
        let mut parts = member.split(';').map(str::trim);
        let Some(found) = parts.next().and_then(&known) else { continue };
        let weight =
            parts.find_map(|parameter| parameter.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        let weight = weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
        if weight > heaviest {
            heaviest = weight;
            best = Some(found);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept_language: &str, lang: Lang) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, accept_language.parse().unwrap());
        assert_eq!(Lang::of(&headers), lang, "{accept_language}");
    }

    #[test]
    fn chinese_where_it_is_preferred() {
        check("zh-CN,zh;q=0.9,en;q=0.8", Lang::Zh);
        check("zh", Lang::Zh);
        check("fr, zh;q=0.5, en;q=0.2", Lang::Zh);
        check("en-US, zh;q=0.9", Lang::En);
        check("en;q=0.5, zh-TW;q=0.9", Lang::Zh);
        check("zh;q=0, en;q=0.1", Lang::En);
        check("*", Lang::En);
        check("", Lang::En);
        check("zh;q=banana", Lang::En);
        check("EN;Q=0.5, ZH-cn; Q=0.6", Lang::Zh);
        check("en;q=0.5, zh;q=0.5", Lang::En);
    }
}
