//! Telling which modules of a target came and went, and stopping for those that somebody waits for.
//! It looks at lists; how they come about is the engine's business.

use dbgeng::ProcessNumber;

use super::Next;
use crate::commands::Outcome;
use crate::error::CommandError;
use crate::filters::{Event, Mode, Subject};
use crate::format;
use crate::interpreter::Interpreter;
use crate::output::Output;
use crate::wildcard::Wildcard;

/// What follows from modules that came and went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct News {
    /// Whether one is among them that targets stop for.
    breaks: bool,
    /// What is executed for them.
    commands: Vec<String>,
}

impl Interpreter {
    /// Tells which modules came and went since the process was looked at last.
    pub(super) fn tell_modules(&mut self, process: ProcessNumber, output: &mut dyn Output) -> News {
        let mut news = News::default();
        let Ok(debuggee) = self.engine.process(process) else { return news };
        let now: Vec<_> =
            debuggee.modules().iter().map(|module| (module.range, module.path.clone())).collect();
        let known = self.state.modules.insert(process, now.clone()).unwrap_or_default();
        for (range, path) in known.iter().filter(|module| !now.contains(module)) {
            let line = format::modules::unloaded(*range, path);
            self.tell_module(Event::UnloadModule, &line, path, &mut news, output);
        }
        for (range, path) in now.iter().filter(|module| !known.contains(module)) {
            let line = format::modules::loaded(*range, path);
            self.tell_module(Event::LoadModule, &line, path, &mut news, output);
        }
        news
    }

    fn tell_module(
        &self,
        event: Event,
        line: &str,
        path: &[u8],
        news: &mut News,
        output: &mut dyn Output,
    ) {
        let filter = self.state.filters.get(Subject::Event(event));
        if filter.mode != Mode::Ignore {
            output.write(line);
        }
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let name = String::from_utf8_lossy(name);
        let pattern = self.state.filters.pattern(event);
        if pattern.is_none_or(|pattern| Wildcard::new(pattern).matches(&name)) {
            news.breaks |= filter.breaks(false);
            news.commands.extend(Some(filter.command).filter(|command| !command.is_empty()));
        }
    }

    /// Ends the run if somebody waits for one of the modules.
    pub(super) fn report_modules(
        &mut self,
        news: &News,
        is_running: bool,
        output: &mut dyn Output,
    ) -> Result<Next, CommandError> {
        match self.execute_all(&news.commands, output)? {
            Outcome::Run(plan) if is_running => return Ok(Next::Run(plan)),
            Outcome::Quit(ending) => return Ok(Next::Quit(ending)),
            _ => {}
        }
        if !news.breaks {
            return Ok(Next::GoOn);
        }
        self.context(output).write_state()?;
        Ok(Next::Prompt)
    }
}
