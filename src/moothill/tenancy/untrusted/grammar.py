"""What a statement of an agent may be made of: the names of functions and types, and how a text is taken apart.

Everything is a list of what is allowed. A function is known by its name alone, so each one here is harmless
under every signature that PostgreSQL gives it: it reads no relation, changes nothing, tells nothing of the
server, and makes no long value out of a short one. A test holds the list against the catalog.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import TokenType

__all__ = [
    "BUILDING",
    "DOUBLE",
    "ESCAPING",
    "FUNCTIONS",
    "GATHERING",
    "SETS",
    "TYPES",
    "UNITS",
    "WAYS_OUT",
    "AgentDialect",
    "TooManySteps",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SCALAR = _words(
    """
    abs ceil ceiling floor round trunc sign mod div gcd lcm sqrt cbrt exp ln log power pi degrees radians sin cos
    tan asin acos atan atan2 width_bucket scale lower upper initcap length char_length character_length octet_length
    left right substr strpos starts_with split_part reverse ltrim rtrim btrim ascii chr md5 translate replace concat
    concat_ws to_char to_number to_date to_timestamp regexp_like regexp_count regexp_instr regexp_substr
    string_to_array array_to_string now age date_part date_trunc date_bin make_date make_time make_timestamp
    make_timestamptz make_interval justify_days justify_hours justify_interval isfinite coalesce nullif greatest
    least num_nulls num_nonnulls jsonb_array_length json_array_length jsonb_typeof json_typeof jsonb_extract_path
    json_extract_path jsonb_extract_path_text json_extract_path_text jsonb_strip_nulls json_strip_nulls
    jsonb_build_object json_build_object jsonb_build_array json_build_array to_json to_jsonb row_to_json
    array_length array_lower array_upper array_ndims cardinality array_position array_positions array_remove
    array_append array_prepend array_cat row
    """
)
_AGGREGATE = _words(
    """
    count sum avg min max bool_and bool_or every any_value stddev stddev_pop stddev_samp variance var_pop var_samp
    corr covar_pop covar_samp regr_slope regr_intercept regr_r2 regr_count mode percentile_cont percentile_disc
    string_agg array_agg json_agg jsonb_agg json_object_agg jsonb_object_agg
    """
)
_WINDOW = _words(
    """
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    """
)
# They give rows: in FROM, or among the columns.
SETS = _words(
    """
    unnest jsonb_array_elements json_array_elements jsonb_array_elements_text json_array_elements_text jsonb_each
    json_each jsonb_each_text json_each_text jsonb_object_keys json_object_keys
    """
)
FUNCTIONS = _SCALAR | _AGGREGATE | _WINDOW | SETS

# With numbers of any precision these may run for minutes without being interruptible, so they get floating ones.
DOUBLE = frozenset({"sqrt", "cbrt", "exp", "ln", "log", "power"})
# What makes one value of its arguments, what makes one of many rows, and what may double quotes and backslashes.
BUILDING = _words(
    """
    concat concat_ws array_append array_prepend array_cat row jsonb_build_object json_build_object jsonb_build_array
    json_build_array
    """
)
GATHERING = _words(
    """
    string_agg array_agg json_agg jsonb_agg json_object_agg jsonb_object_agg
    """
)
ESCAPING = _words(
    """
    to_json to_jsonb row_to_json jsonb_build_object json_build_object jsonb_build_array json_build_array json_agg
    jsonb_agg json_object_agg jsonb_object_agg
    """
)

TYPES: Mapping[exp.DType, str] = {
    exp.DType.SMALLINT: "smallint",
    exp.DType.INT: "integer",
    exp.DType.BIGINT: "bigint",
    exp.DType.DECIMAL: "numeric",
    exp.DType.FLOAT: "real",
    exp.DType.DOUBLE: "double precision",
    exp.DType.BOOLEAN: "boolean",
    exp.DType.TEXT: "text",
    exp.DType.VARCHAR: "varchar",
    exp.DType.CHAR: "char",
    exp.DType.UUID: "uuid",
    exp.DType.DATE: "date",
    exp.DType.TIME: "time",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamp with time zone",
    exp.DType.INTERVAL: "interval",
    exp.DType.JSON: "json",
    exp.DType.JSONB: "jsonb",
}
UNITS = _words(
    """
    MICROSECOND MICROSECONDS MILLISECOND MILLISECONDS SECOND SECONDS SEC SECS MINUTE MINUTES MIN MINS HOUR HOURS DAY
    DAYS WEEK WEEKS MONTH MONTHS MON MONS QUARTER YEAR YEARS DECADE DECADES CENTURY CENTURIES MILLENNIUM MILLENNIA
    DOW DOY EPOCH ISODOW ISOYEAR JULIAN
    """
)

# What to write instead of what is asked for most often.
WAYS_OUT: Mapping[str, str] = {
    "generate_series": "join a list of VALUES instead",
    "repeat": "write the text out",
    "lpad": "let the reader of the answer align it",
    "rpad": "let the reader of the answer align it",
    "format": "join texts with ||",
    "regexp_replace": "use replace with literals, or substring with a pattern",
    "regexp_matches": "use regexp_substr",
    "regexp_match": "use regexp_substr",
    "random": "order by a column",
    "current_setting": "`keys.current` tells who you are",
    "set_config": "nothing can be set here",
    "pg_typeof": "the answer names the type of each column",
    "version": "`operations.list` shows what can be done",
}

# Of the parser: for a statement, and for each of its words; it takes one or two.
_FREE_STEPS, _MOST_STEPS = 500, 12

Parsing = Callable[..., Any]


def _some(parsers: Mapping[Any, Parsing], *names: Any) -> dict[Any, Parsing]:
    return {name: parsers[name] for name in names}


def _binary(kind: type[exp.Expr]) -> Parsing:
    return lambda self, this, other: self.expression(kind(this=this, expression=other))


class TooManySteps(Exception):
    """The parser tried the same words again and again."""


class _AgentParser(PostgresParser):
    """PostgreSQL's grammar without translation: a call stays a call, an operator stays an operator.

    It goes through most statements once. What makes it go back and try another way at each of many levels would
    keep it busy for hours, so its steps are counted.
    """

    FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = _some(
        PostgresParser.FUNCTION_PARSERS, "CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM"
    )
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = _some(PostgresParser.NO_PAREN_FUNCTION_PARSERS, "ANY", "CASE")
    PLACEHOLDER_PARSERS: ClassVar[dict[Any, Any]] = _some(
        PostgresParser.PLACEHOLDER_PARSERS, TokenType.COLON, TokenType.PARAMETER
    )
    JSON_OPERATORS: ClassVar[dict[Any, Any]] = {
        TokenType.ARROW: _binary(exp.JSONExtract),
        TokenType.DARROW: _binary(exp.JSONExtractScalar),
        TokenType.HASH_ARROW: _binary(exp.JSONBExtract),
        TokenType.DHASH_ARROW: _binary(exp.JSONBExtractScalar),
        TokenType.PLACEHOLDER: _binary(exp.JSONBContains),
    }

    _steps = 0

    def _advance(self, times: int = 1) -> None:
        self._steps += 1
        if self._steps > _FREE_STEPS + _MOST_STEPS * self._tokens_size:
            raise TooManySteps
        super()._advance(times)

    def _warn_unsupported(self) -> None:
        """Stay silent: the warning would carry the statement into the log."""


class AgentDialect(Postgres):
    """How statements of agents are read."""

    INDEX_OFFSET = 0  # a subscript stays the number that was written
    Parser = _AgentParser
