//! An invalid or missing setting.

use crate::lang::Localized;

/// A variable with an invalid value, or without one. It never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// The variable's name.
    pub variable: &'static str,
    /// The problem, to be read after the name. `None` if the variable is not set.
    problem: Option<Localized>,
}

impl SettingError {
    /// Creates the error of an invalid value.
    pub fn invalid(variable: &'static str, problem: Localized) -> Self {
        Self { variable, problem: Some(problem) }
    }

    /// Creates the error of a required variable that is not set.
    pub fn missing(variable: &'static str) -> Self {
        Self { variable, problem: None }
    }

    /// Returns the variable and its problem, without a full stop.
    pub fn summary(&self) -> Localized {
        let variable = self.variable;
        match &self.problem {
            Some(problem) => Localized::new(
                format!("{variable} {}", problem.en),
                format!("{variable} {}", problem.zh),
            ),
            None => Localized::new(format!("{variable} is not set"), format!("未设置 {variable}")),
        }
    }

    /// Returns the sentence for users: the summary, and what to do.
    pub fn message(&self) -> Localized {
        let summary = self.summary();
        let (en, zh) = match self.problem {
            Some(_) => ("change it in the environment variables", "请在环境变量中修改"),
            None => ("add it to the environment variables", "请在环境变量中添加"),
        };
        Localized::new(format!("{}: {en}.", summary.en), format!("{}，{zh}。", summary.zh))
    }
}
