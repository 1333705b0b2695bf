"""Which nodes of a grammar define something, and of what kind it is.

One line a grammar: `kind` followed by the types of its nodes. A word with brackets is a
pattern of tree-sitter's in which `@d` marks the node. What a grammar does not have is
left out, so that one table serves several versions of it.
"""

from __future__ import annotations

from typing import NamedTuple

from qcode.syntax.languages import language

_BODIES = (
    "body block class_body function_body enum_class_body declaration_list field_declaration_list "
    "enumerator_list compound_statement statement_block template_body body_statement do_block "
    "enum_body interface_body protocol_body accessor_list enum_member_declaration_list "
    "field_initializer_list object_type interface_type struct_type arrow_expression_clause"
)
BODIES = frozenset(_BODIES.split())
"""Where a signature ends."""

_JAVASCRIPT = """
class: class_declaration abstract_class_declaration
function: function_declaration generator_function_declaration function_signature
 (variable_declarator value:[(arrow_function)(function_expression)])@d
 (assignment_expression left:(member_expression) right:[(arrow_function)(function_expression)])@d
method: method_definition method_signature abstract_method_signature
 (class_body (field_definition value:(arrow_function))@d)
 (class_body (public_field_definition value:(arrow_function))@d)
interface: interface_declaration
type: type_alias_declaration
enum: enum_declaration
module: internal_module module
value: (program (lexical_declaration (variable_declarator name:(identifier))@d))
 (program (export_statement (lexical_declaration (variable_declarator name:(identifier))@d)))
"""
_C = """
function: function_definition preproc_function_def
 (translation_unit (declaration declarator:(function_declarator))@d)
 (translation_unit (declaration declarator:(pointer_declarator (function_declarator)))@d)
struct: (struct_specifier name:(_) body:(_))@d (union_specifier name:(_) body:(_))@d
enum: (enum_specifier name:(_) body:(_))@d
type: type_definition
macro: preproc_def
"""
_GENERAL = """
class: class_declaration class_definition class_interface class_implementation
function: function_definition function_declaration function_signature
 subroutine_declaration_statement
method: method_declaration method_definition method_signature constructor_declaration
interface: interface_declaration protocol_declaration mixin_declaration
enum: enum_declaration
struct: struct_declaration struct_definition
type: type_alias
"""

_TABLES = {
    "python": """
        class: class_definition
        function: function_definition
        type: type_alias_statement
        value: (module (assignment left:(identifier))@d)
         (module (expression_statement (assignment left:(identifier))@d))
    """,
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "tsx": _JAVASCRIPT,
    "go": """
        function: function_declaration
        method: method_declaration method_elem
        type: type_spec type_alias
        value: (source_file (const_declaration (const_spec)@d))
         (source_file (var_declaration (var_spec)@d))
    """,
    "rust": """
        function: function_item function_signature_item
        struct: struct_item union_item
        enum: enum_item
        trait: trait_item
        impl: impl_item
        module: (mod_item body:(_))@d
        macro: macro_definition
        value: const_item static_item
        type: type_item
    """,
    "java": """
        class: class_declaration
        interface: interface_declaration annotation_type_declaration
        enum: enum_declaration
        record: record_declaration
        method: method_declaration constructor_declaration
        value: (interface_body (constant_declaration)@d)
    """,
    "c": _C,
    "cpp": f"""{_C}
        class: (class_specifier name:(_) body:(_))@d
        module: namespace_definition
        type: alias_declaration
        method: (field_declaration_list (field_declaration declarator:(function_declarator))@d)
         (field_declaration_list (declaration declarator:(function_declarator))@d)
    """,
    "csharp": """
        module: namespace_declaration file_scoped_namespace_declaration
        class: class_declaration
        interface: interface_declaration
        struct: struct_declaration
        record: record_declaration
        enum: enum_declaration
        method: method_declaration constructor_declaration
        value: property_declaration
        type: delegate_declaration
    """,
    "ruby": """
        module: (module name:(_))@d
        class: (class name:(_))@d
        method: method singleton_method
        value: (program (assignment left:(constant))@d)
         (body_statement (assignment left:(constant))@d)
    """,
    "php": """
        class: class_declaration
        interface: interface_declaration
        trait: trait_declaration
        enum: enum_declaration
        function: function_definition
        method: method_declaration
        value: (const_declaration (const_element)@d)
    """,
    "kotlin": """
        class: class_declaration object_declaration
        function: function_declaration
        type: type_alias
        value: (source_file (property_declaration)@d) (class_body (property_declaration)@d)
    """,
    "swift": """
        class: class_declaration
        interface: protocol_declaration
        function: function_declaration protocol_function_declaration init_declaration
        type: typealias_declaration
        value: (source_file (property_declaration)@d)
    """,
    "scala": """
        class: class_definition object_definition
        trait: trait_definition
        enum: enum_definition
        function: function_definition function_declaration
        type: type_definition
        value: (template_body (val_definition)@d)
    """,
    "bash": """
        function: function_definition
        value: (program (variable_assignment)@d)
         (program (declaration_command (variable_assignment)@d))
    """,
    "lua": """
        function: function_declaration
         (assignment_statement (variable_list) (expression_list value:(function_definition)))@d
    """,
    "dart": _GENERAL,
    "gdscript": _GENERAL,
    "groovy": _GENERAL,
    "julia": _GENERAL,
    "objc": f"{_C}{_GENERAL}",
    "perl": _GENERAL,
    "solidity": _GENERAL,
}
CONTAINERS = {"class", "interface", "struct", "trait", "impl", "enum", "record", "module"}
"""Kinds in which a function is a method."""


class Pattern(NamedTuple):
    """A pattern of tree-sitter's for nodes that define something."""

    kind: str
    query: str
    node: str
    """The type of the node itself, if that is all there is to the pattern."""


def grammar(path: str, head: str = "") -> str:
    """Return the grammar a file is read with; empty if none of those whose symbols are known.

    `head` is how the text begins; it decides where the name does not.
    """
    found = language(path, head)
    if found is None:
        return ""
    if found.grammars[:2] == ("c", "cpp"):  # a header
        return "cpp"
    return next((name for name in found.grammars if name in _TABLES), "")


def patterns(name: str) -> list[Pattern]:
    """Return the patterns of a grammar's definitions."""
    found: list[Pattern] = []
    kind = ""
    for row in _TABLES[name].splitlines():
        row = row.strip()
        head, colon, rest = row.partition(": ")
        if colon and head.isalpha():
            kind, row = head, rest
        for word in _words(row):
            is_plain = not word.startswith("(")
            found.append(
                Pattern(kind, f"({word}) @d" if is_plain else word, word if is_plain else "")
            )
    return found


def _words(row: str) -> list[str]:
    """Split at blanks outside of brackets."""
    words: list[str] = []
    depth = 0
    for piece in row.split(" "):
        if depth:
            words[-1] += f" {piece}"
        elif piece:
            words.append(piece)
        depth += piece.count("(") + piece.count("[") - piece.count(")") - piece.count("]")
    return words
