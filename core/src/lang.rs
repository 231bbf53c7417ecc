//! The two languages of every sentence that users read.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::accept::preferred;

/// The language of a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English, the default.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// Returns Chinese if `Accept-Language` prefers it to English, else English.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let language = |range: &str| {
            let primary = range.split('-').next().unwrap_or_default();
            let is = |language: &str| primary.eq_ignore_ascii_case(language);
            is("zh").then_some(Self::Zh).or(is("en").then_some(Self::En))
        };
        preferred(headers, ACCEPT_LANGUAGE, language).unwrap_or_default()
    }

    /// Returns Chinese for a Chinese locale such as `zh_CN.UTF-8`, else English.
    ///
    /// The locale is the value of `LC_ALL`, `LC_MESSAGES` or `LANG`.
    pub fn from_locale(locale: &str) -> Self {
        if locale.starts_with("zh") { Self::Zh } else { Self::En }
    }
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Localized {
    /// English.
    pub en: Cow<'static, str>,
    /// Simplified Chinese.
    pub zh: Cow<'static, str>,
}

impl Localized {
    /// Creates the text from both versions.
    pub fn new(en: impl Into<Cow<'static, str>>, zh: impl Into<Cow<'static, str>>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }

    /// Returns the version in `lang`.
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }

    /// Returns the version in `lang`, consuming the text.
    pub fn into_string(self, lang: Lang) -> String {
        match lang {
            Lang::En => self.en,
            Lang::Zh => self.zh,
        }
        .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept_language: &str, lang: Lang) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, accept_language.parse().unwrap());
        assert_eq!(Lang::from_headers(&headers), lang, "{accept_language}");
    }

    #[test]
    fn chinese_if_preferred_to_english() {
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
