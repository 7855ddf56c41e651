//! Conditions of breakpoints at the engine's door: compiled for the server when they are set and
//! when symbols move, evaluated here where the server cannot. Which breakpoints are reached, and
//! what a stop means, is not its business.

use dbgbase::{StopReason, Tid};
use dbgwire::convert;
use dbgwire::event::ConditionFault;

use crate::breakpoints::Encounter;
use crate::expr::{self, EngineContext, ExprError, ExprErrorKind, ExprSettings, Program};
use crate::{
    BreakpointId, Condition, Engine, Error, ErrorKind, ProcessNumber, ThreadNumber, Undecided,
};

/// What became of conditions that the engine has evaluated.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The breakpoints whose conditions do not hold.
    pub(crate) unmet: Vec<BreakpointId>,
    /// Those whose conditions have no value.
    pub(crate) undecided: Vec<Undecided>,
}

impl Engine {
    /// Sets what conditions see of the front end's settings: the pseudo-registers that it keeps.
    ///
    /// **Cost**: none.
    pub fn set_expr_settings(&mut self, settings: ExprSettings) {
        self.expr_settings = settings;
    }

    /// The code for a new breakpoint's condition; empty if the engine is to evaluate it. If the
    /// breakpoint itself waits for a module, its condition may name symbols that come with it.
    ///
    /// **Errors**: `BadExpression`.
    pub(crate) fn condition_code(
        &mut self,
        number: ProcessNumber,
        condition: &Condition,
        waits: bool,
    ) -> Result<Vec<u8>, Error> {
        match self.compile_condition(number, condition) {
            Ok(code) => Ok(code),
            Err(error) if waits && error.kind() == ExprErrorKind::Unresolved => Ok(Vec::new()),
            Err(error) => Err(Error::new(ErrorKind::BadExpression, error.message(&condition.text))),
        }
    }

    /// Compiles the conditions of a process anew before it runs, if its symbols may have moved. One
    /// that names what is not there any more is evaluated here, and says so when it is reached.
    pub(crate) fn refresh_conditions(&mut self, number: ProcessNumber) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        if !std::mem::take(&mut process.has_moved_symbols) {
            return;
        }
        // Sites that are armed anew begin with the passes that are left, as far as that can be
        // learned.
        let _ = self.count_passes_of(number);
        for (id, condition) in self.breakpoints.conditional(number) {
            let code = self.compile_condition(number, &condition).unwrap_or_default();
            self.breakpoints.compiled(id, code);
        }
    }

    fn compile_condition(
        &mut self,
        number: ProcessNumber,
        condition: &Condition,
    ) -> Result<Vec<u8>, ExprError> {
        let arch = self.server.arch;
        let at = self.default_thread(number);
        self.look_from(at, condition, |context| {
            let program = Program::compile_whole(&condition.text, condition.radix)?;
            let code = program.agent_code(arch, context)?;
            Ok(code.map(|code| code.bytes().to_vec()).unwrap_or_default())
        })
    }

    /// What becomes of the conditions of breakpoints at a stop of a thread: the server has
    /// evaluated those that it could, of which `faults` had no value; the others are evaluated
    /// here.
    ///
    /// **Cost**: what the expressions ask for and is not known yet.
    pub(crate) fn ask_conditions(
        &mut self,
        number: ProcessNumber,
        tid: Tid,
        reason: &StopReason,
        faults: &[ConditionFault],
    ) -> Answers {
        let mut answers = match reason {
            StopReason::Breakpoint { sites } | StopReason::Watchpoint { sites, .. } => {
                self.evaluate_conditions(number, tid, Encounter::Sites(sites))
            }
            StopReason::Step => {
                let process = self.processes.get(&number);
                match process.and_then(|process| process.registers.known(tid)) {
                    Some(registers) => {
                        self.evaluate_conditions(number, tid, Encounter::Step(registers.pc()))
                    }
                    None => Answers::default(),
                }
            }
            _ => Answers::default(),
        };
        for fault in faults.iter().map(convert::condition_fault) {
            if let Some(breakpoint) = self.breakpoints.owner(fault.site) {
                let why = fault.trouble.to_string();
                answers.undecided.push(Undecided { breakpoint, why });
            }
        }
        answers
    }

    fn evaluate_conditions(
        &mut self,
        number: ProcessNumber,
        tid: Tid,
        encounter: Encounter<'_>,
    ) -> Answers {
        let asked = self.breakpoints.unevaluated(number, tid, encounter);
        let process = self.processes.get(&number);
        let thread = process.and_then(|process| process.threads.with_tid(tid));
        let at = thread.map(|thread| (number, thread.number));
        let mut answers = Answers::default();
        for (breakpoint, condition) in asked {
            let value =
                self.look_from(at, &condition, |context| expr::evaluate(&condition.text, context));
            match value {
                Ok(0) => answers.unmet.push(breakpoint),
                Ok(_) => {}
                Err(error) => {
                    let why = error.message(&condition.text);
                    answers.undecided.push(Undecided { breakpoint, why });
                }
            }
        }
        answers
    }

    /// What expressions say with this process and thread as the current ones.
    fn look_from<T>(
        &mut self,
        at: Option<(ProcessNumber, ThreadNumber)>,
        condition: &Condition,
        look: impl FnOnce(&EngineContext<'_>) -> T,
    ) -> T {
        let settings = ExprSettings { radix: condition.radix, ..self.expr_settings.clone() };
        let before = std::mem::replace(&mut self.context.current, at);
        let seen = look(&EngineContext::of_thread(self, &settings));
        self.context.current = before;
        seen
    }
}
