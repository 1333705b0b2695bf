"""Programs that only read, by the options with which they do; pure data.

Every option is on the list or the command is not known to be harmless: versions differ,
and an option that writes, runs or follows somewhere must not be overlooked. What the
value of an option or an operand is, decides how it is looked at.
"""

from __future__ import annotations

from qcode.record import Record, replace


class Options(Record):
    """How one program may be called."""

    flags: str = ""
    """Short options that take no value."""
    values: str = ""
    """Short ones that take a value."""
    long: str = ""
    """Long ones, without the dashes; `=` after one that takes a value."""
    operands: str = "paths"
    """What the operands are: `paths`, `words` (no paths), `pattern` (a word, then paths), `none`;
    with `format` they begin with `+`, and with `anything` there are no options."""
    most: int | None = None
    """So many operands at most."""
    only_files: bool = False
    """Whether it has to be given files: what comes through a pipe it copies to one."""
    numbers: bool = False
    """Whether `-5` is an option."""
    also: tuple[str, ...] = ()
    """Programs that this one starts itself: it is a script."""


_GREP = Options(
    flags="EFGPivwxycnqHhLlobZzaUIrsTu",
    values="eABCmdDf",
    long="regexp= file= ignore-case no-ignore-case invert-match word-regexp line-regexp count "
    "color= colour= color colour files-without-match files-with-matches max-count= only-matching "
    "quiet silent no-messages byte-offset with-filename no-filename label= line-number "
    "initial-tab null after-context= before-context= context= text binary-files= exclude= "
    "exclude-from= exclude-dir= include= recursive extended-regexp fixed-strings "
    "basic-regexp perl-regexp null-data line-buffered",
    operands="pattern",
    numbers=True,
)
_SUM = Options(flags="btz", long="binary tag text zero")
_NAMES = Options(flags="asz", long="multiple suffix= zero", operands="words")

TABLE: dict[str, Options] = {
    "basename": _NAMES,
    "cat": Options(
        "AbeEnstTuv",
        long="show-all number-nonblank show-ends number squeeze-blank show-tabs show-nonprinting",
    ),
    "cksum": Options(),
    "cmp": Options("bls", "in", long="print-bytes ignore-initial= verbose bytes= silent quiet"),
    "comm": Options(
        "123z",
        long="check-order nocheck-order output-delimiter= total zero-terminated",
        most=2,
    ),
    "cut": Options(
        "nsz",
        "bcdf",
        long="bytes= characters= delimiter= fields= complement only-delimited "
        "output-delimiter= zero-terminated",
    ),
    "date": Options("uRI", long="utc universal rfc-email iso-8601", operands="format"),
    "df": Options(
        "ahHiklPT",
        "tx",
        long="all human-readable si inodes local portability type= exclude-type= print-type",
    ),
    # Not -r: it follows the links that it meets. Not -l: it starts a pager.
    "diff": Options(
        "abBcdeEinNpqsTtuwyZ",
        "CUWxILF",
        long="normal brief report-identical-files context context= unified unified= ed rcs "
        "side-by-side width= left-column suppress-common-lines show-c-function "
        "show-function-line= label= expand-tabs initial-tab tabsize= suppress-blank-empty "
        "ignore-file-name-case exclude= ignore-case ignore-tab-expansion "
        "ignore-trailing-space ignore-space-change ignore-all-space ignore-blank-lines "
        "ignore-matching-lines= text strip-trailing-cr minimal speed-large-files color color= "
        "from-file= to-file=",
    ),
    "dirname": Options("z", long="zero", operands="words"),
    "du": Options(
        "abchklmsSx0",
        "dtBX",
        long="all apparent-size block-size= bytes total max-depth= human-readable null "
        "separate-dirs si summarize threshold= time time= time-style= exclude= exclude-from= "
        "one-file-system",
    ),
    "echo": Options(operands="anything"),
    "egrep": replace(_GREP, also=("grep",)),
    "expr": Options(operands="anything"),
    "false": Options(operands="anything"),
    "fgrep": replace(_GREP, also=("grep",)),
    "fold": Options("bs", "w", long="bytes spaces width="),
    "grep": _GREP,
    "head": Options(
        "qvz",
        "cn",
        long="bytes= lines= quiet silent verbose zero-terminated",
        numbers=True,
    ),
    "id": Options("aGgnruzZ", long="context group groups name real user zero", operands="words"),
    "ls": Options(
        "aAbBcCdDfFgGhiklmnNopqQrRsStuUvxXZ1",
        "Iw",
        long="all almost-all author escape block-size= ignore-backups color color= directory "
        "dired classify file-type format= full-time group-directories-first no-group "
        "human-readable si hide= ignore= inode kibibytes numeric-uid-gid literal "
        "hide-control-chars show-control-chars quote-name quoting-style= reverse recursive "
        "size sort= time= time-style= tabsize= width= context zero indicator-style=",
    ),
    "md5sum": _SUM,
    "nl": Options("p", "bdfhilnsvw"),
    "numfmt": Options(
        "z",
        "d",
        long="delimiter= field= format= from= from-unit= grouping header header= invalid= "
        "padding= round= suffix= to= to-unit= zero-terminated",
        operands="words",
    ),
    "paste": Options("sz", "d", long="delimiters= serial zero-terminated"),
    "pwd": Options("LP", operands="none"),
    "readlink": Options(
        "femnqsvz",
        long="canonicalize canonicalize-existing canonicalize-missing no-newline quiet silent "
        "verbose zero",
    ),
    "realpath": Options(
        "emLPqsz",
        long="canonicalize-existing canonicalize-missing logical physical quiet relative-to= "
        "relative-base= strip no-symlinks zero",
    ),
    "rev": Options(),
    "seq": Options(
        "w", "fs", long="format= separator= equal-width", operands="words", numbers=True
    ),
    "sha256sum": _SUM,
    # A large input goes through the private temporary directory.
    "sort": Options(
        "bdghiMnrRVcCsuz",
        "kt",
        long="ignore-leading-blanks dictionary-order general-numeric-sort ignore-nonprinting "
        "month-sort human-numeric-sort numeric-sort reverse sort= version-sort check key= "
        "field-separator= stable unique zero-terminated",
    ),
    "stat": Options("ft", "c", long="file-system format= printf= terse"),
    # It copies what it cannot seek in to a file: not the input of a pipe.
    "tac": Options("br", "s", long="before regex separator=", only_files=True),
    "tail": Options(
        "qvz", "cn", long="bytes= lines= quiet silent verbose zero-terminated", numbers=True
    ),
    "tr": Options(
        "cCdst",
        long="complement delete squeeze-repeats truncate-set1",
        operands="words",
    ),
    "true": Options(operands="anything"),
    "uname": Options(
        "asnrvmpio",
        long="all kernel-name nodename kernel-release kernel-version machine processor "
        "hardware-platform operating-system",
        operands="none",
    ),
    "uniq": Options(
        "cdDiuz",
        "fsw",
        long="count repeated all-repeated all-repeated= skip-fields= group group= ignore-case "
        "skip-chars= unique zero-terminated check-chars=",
        most=1,
    ),
    "wc": Options("clmLw", long="bytes chars lines max-line-length words total="),
    "which": Options("a", long="all", operands="words"),
    "whoami": Options(operands="none"),
}

RG = Options(
    flags="nilcwvoSsFUxHNPu.0",
    values="eABCgtTmdrf",
    long="regexp= file= after-context= before-context= context= glob= iglob= type= type-not= "
    "max-count= max-depth= replace= files hidden no-ignore no-ignore-vcs ignore-case smart-case "
    "case-sensitive line-number no-line-number count count-matches files-with-matches "
    "files-without-match word-regexp line-regexp invert-match only-matching fixed-strings "
    "multiline multiline-dotall pcre2 with-filename no-filename heading no-heading color= "
    "colors= column stats json sort= sortr= trim text null null-data unrestricted vimgrep "
    "no-config no-messages type-list max-columns= max-filesize= passthru crlf quiet",
    operands="pattern",
)
"""ripgrep; not `--pre`, `--hostname-bin`, `-z`, which start programs, nor `--follow`."""

_ALONE = (
    "-depth -d -xdev -mount -not ! -a -and -o -or , ( ) -true -false -daystart -empty -nouser "
    "-nogroup -readable -writable -executable -print -print0 -prune -quit -ls -noleaf -warn "
    "-nowarn -ignore_readdir_race"
)
FIND_ALONE = frozenset(_ALONE.split())
"""Parts of an expression of find that stand alone. Those that write or run are not there."""

_VALUES = (
    "-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -type -xtype "
    "-maxdepth -mindepth -mtime -mmin -atime -amin -ctime -cmin -size -perm -user -group -uid "
    "-gid -links -inum -lname -ilname -fstype -used -printf"
)
FIND_VALUES = frozenset(_VALUES.split())
"""Those that take a word that is no path."""

FIND_PATHS = frozenset({"-newer", "-anewer", "-cnewer", "-samefile"})
"""Those that take a path."""

BUILTINS = frozenset({"cd", "echo", "false", "pwd", "true"})
"""Bash's own: no file is looked up for them."""
