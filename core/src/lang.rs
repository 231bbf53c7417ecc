//! English or Chinese, and the weighted lists of HTTP's `Accept…` headers.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

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
        let languages = weighted(headers, ACCEPT_LANGUAGE.as_str());
        let named = languages.iter().find_map(|range| match range.split('-').next() {
            Some("zh") => Some(Self::Zh),
            Some("en") => Some(Self::En),
            _ => None,
        });
        named.unwrap_or_default()
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

/// The members of an `Accept…` header in lower case and without their parameters, the heaviest first,
/// the earlier first among equals. What is weighted 0 is not acceptable and left out (RFC 9110, 12.4.2).
pub(crate) fn weighted(headers: &HeaderMap, name: &str) -> Vec<String> {
    let mut members: Vec<(f32, String)> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|member| {
            let mut parts = member.split(';').map(|part| part.trim().to_ascii_lowercase());
            let range = parts.next().filter(|range| !range.is_empty())?;
            let weight = parts
                .find_map(|parameter| parameter.strip_prefix("q=").map(|q| q.trim().parse()))
                .map_or(1.0, |q| q.unwrap_or(0.0));
            (weight > 0.0).then_some((weight, range))
        })
        .collect();
    members.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    members.into_iter().map(|(_, range)| range).collect()
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
    }
}
