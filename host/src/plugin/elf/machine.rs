//! Which machine an ELF file is for.

use std::fmt;

use object::elf::{
    self, EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, Machine as Code,
};

/// A machine as an ELF header names it: instruction set, width and byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    code: Code,
    class: elf::FileClass,
    order: elf::DataEncoding,
}

impl Machine {
    /// The machine this host was built for.
    pub(super) const HERE: Machine = Machine {
        code: if cfg!(target_arch = "x86_64") {
            EM_X86_64
        } else if cfg!(target_arch = "aarch64") {
            EM_AARCH64
        } else if cfg!(target_arch = "riscv64") {
            EM_RISCV
        } else if cfg!(target_arch = "powerpc64") {
            EM_PPC64
        } else if cfg!(target_arch = "s390x") {
            EM_S390
        } else if cfg!(target_arch = "loongarch64") {
            EM_LOONGARCH
        } else {
            elf::EM_NONE
        },
        class: elf::ELFCLASS64,
        order: if cfg!(target_endian = "little") {
            elf::ELFDATA2LSB
        } else {
            elf::ELFDATA2MSB
        },
    };

    /// The machine that this header names.
    pub(super) fn of(header: &[u8; super::HEADER as usize]) -> Self {
        let order = elf::DataEncoding(header[5]);
        let code = [header[18], header[19]];
        Self {
            code: Code(match order {
                elf::ELFDATA2MSB => u16::from_be_bytes(code),
                _ => u16::from_le_bytes(code),
            }),
            class: elf::FileClass(header[4]),
            order,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            EM_X86_64 => formatter.write_str("x86_64")?,
            EM_AARCH64 => formatter.write_str("aarch64")?,
            EM_386 => formatter.write_str("x86")?,
            EM_ARM => formatter.write_str("arm")?,
            EM_RISCV => formatter.write_str("riscv")?,
            EM_PPC64 => formatter.write_str("powerpc64")?,
            EM_S390 => formatter.write_str("s390x")?,
            EM_LOONGARCH => formatter.write_str("loongarch")?,
            Code(number) => write!(formatter, "machine {number}")?,
        }
        formatter.write_str(match self.class {
            elf::ELFCLASS32 => ", 32 bits",
            elf::ELFCLASS64 => ", 64 bits",
            _ => ", unknown width",
        })?;
        formatter.write_str(match self.order {
            elf::ELFDATA2LSB => ", little-endian",
            elf::ELFDATA2MSB => ", big-endian",
            _ => ", unknown byte order",
        })
    }
}
