//! Temperature, power, clocks, utilisation.

use super::Board;
use crate::scenario::{ClockEventTimes, Clocks, MarginTemperatures, TemperatureThresholds};

impl Board<'_> {
    pub(crate) fn temperature(&self) -> Option<u32> {
        let own = self.gpu.temperature_celsius.as_ref().map(|series| self.now(series));
        own.or(self.profile.temperature_celsius)
    }

    pub(crate) fn memory_temperature(&self) -> Option<u32> {
        let own = self
            .gpu
            .memory_temperature_celsius
            .as_ref()
            .map(|series| self.now(series));
        own.or(self.profile.memory_temperature_celsius)
    }

    pub(crate) fn thresholds(&self) -> TemperatureThresholds {
        self.gpu
            .temperature_thresholds
            .unwrap_or(self.profile.temperature_thresholds)
    }

    pub(crate) fn margin_temperatures(&self) -> MarginTemperatures {
        self.gpu.margin_temperatures.unwrap_or(self.profile.margin_temperatures)
    }

    /// The scenario's, else what is left to the slowdown threshold ("distance to nearest slowdown threshold", nvml.h), which where only the
    /// margin has a source is that far above the profile's idle temperature.
    pub(crate) fn margin(&self) -> Option<i32> {
        if let Some(series) = &self.gpu.temperature_margin_celsius {
            return Some(self.now(series));
        }
        let slowdown = match self.thresholds().slowdown {
            Some(slowdown) => i64::from(slowdown),
            None => i64::from(self.profile.temperature_margin_celsius?) + i64::from(self.profile.temperature_celsius?),
        };
        i32::try_from(slowdown - i64::from(self.temperature()?)).ok()
    }

    pub(crate) fn power_usage(&self) -> Option<u32> {
        match &self.gpu.power {
            Some(power) => Some(self.now(&power.usage_milliwatts)),
            None => self.profile.power_usage_milliwatts,
        }
    }

    pub(crate) fn power_limit(&self) -> Option<u32> {
        let own = self.gpu.power.as_ref().map(|power| power.limit_milliwatts);
        own.or(self.profile.power_limit_milliwatts)
    }

    pub(crate) fn energy(&self) -> Option<u64> {
        self.gpu.energy_millijoules.as_ref().map(|series| self.now(series))
    }

    /// The clock of this `nvmlClockType_t`: 0 graphics, 1 SM, 2 memory, 3 video (nvml.h).
    pub(crate) fn clock(&self, kind: u32) -> Option<u32> {
        let own = self.gpu.clocks.as_ref().and_then(|clocks: &Clocks| match kind {
            0 => clocks.graphics.as_ref(),
            1 => clocks.sm.as_ref(),
            2 => clocks.memory.as_ref(),
            3 => clocks.video.as_ref(),
            _ => None,
        });
        own.map(|series| self.now(series))
            .or_else(|| self.profile.clocks_mhz.of(kind))
    }

    pub(crate) fn clocks_event_reasons(&self) -> Option<u64> {
        let own = self.gpu.clocks_event_reasons.as_ref().map(|series| self.now(series));
        own.or(self.profile.clocks_event_reasons)
    }

    /// Nanoseconds that a reason held.
    pub(crate) fn clock_event_time(
        &self,
        reason: impl Fn(&ClockEventTimes) -> Option<&crate::scenario::Series<u64>>,
    ) -> Option<u64> {
        let times = self.gpu.clocks_event_nanoseconds.as_ref()?;
        reason(times).map(|series| self.now(series))
    }

    pub(crate) fn performance_state(&self) -> Option<u32> {
        self.gpu.performance_state.or(self.profile.performance_state)
    }

    /// Nothing ever computes on these, so it is none unless the scenario says so.
    pub(crate) fn utilization(&self) -> (u32, u32) {
        match &self.gpu.utilization {
            Some(utilization) => (
                self.now(&utilization.gpu_percent),
                self.now(&utilization.memory_percent),
            ),
            None => (0, 0),
        }
    }

    pub(crate) fn persistence_mode(&self) -> Option<bool> {
        self.gpu.persistence_mode.or(self.profile.persistence_mode)
    }
}
