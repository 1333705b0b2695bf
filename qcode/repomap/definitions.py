"""Which nodes of a language's syntax tree define something with a name.

The node types are those of the grammars in tree-sitter-language-pack. Where a grammar does
not call the name `name`, `FIELDS` says what leads to it.
"""

from __future__ import annotations

from collections.abc import Mapping

_SCRIPT = {
    "function_declaration": "function",
    "generator_function_declaration": "function",
    "class_declaration": "class",
    "method_definition": "method",
    "variable_declarator": "function",
}
_TYPED = {
    **_SCRIPT,
    "abstract_class_declaration": "class",
    "interface_declaration": "interface",
    "type_alias_declaration": "type",
    "enum_declaration": "enum",
    "internal_module": "namespace",
    "function_signature": "function",
    "method_signature": "method",
    "abstract_method_signature": "method",
}
_C = {
    "function_definition": "function",
    "struct_specifier": "struct",
    "union_specifier": "union",
    "enum_specifier": "enum",
    "type_definition": "type",
    "preproc_function_def": "macro",
}

DEFINITIONS: Mapping[str, Mapping[str, str]] = {
    "python": {"function_definition": "function", "class_definition": "class"},
    "javascript": _SCRIPT,
    "typescript": _TYPED,
    "tsx": _TYPED,
    "go": {
        "function_declaration": "function",
        "method_declaration": "method",
        "type_spec": "type",
    },
    "rust": {
        "function_item": "function",
        "function_signature_item": "function",
        "struct_item": "struct",
        "enum_item": "enum",
        "union_item": "union",
        "trait_item": "trait",
        "impl_item": "impl",
        "mod_item": "module",
        "macro_definition": "macro",
        "type_item": "type",
        "const_item": "constant",
        "static_item": "constant",
    },
    "java": {
        "class_declaration": "class",
        "interface_declaration": "interface",
        "enum_declaration": "enum",
        "record_declaration": "record",
        "annotation_type_declaration": "annotation",
        "method_declaration": "method",
        "constructor_declaration": "constructor",
    },
    "c": _C,
    "cpp": {**_C, "class_specifier": "class", "namespace_definition": "namespace"},
    "csharp": {
        "class_declaration": "class",
        "interface_declaration": "interface",
        "struct_declaration": "struct",
        "enum_declaration": "enum",
        "record_declaration": "record",
        "delegate_declaration": "delegate",
        "method_declaration": "method",
        "constructor_declaration": "constructor",
        "property_declaration": "property",
        "namespace_declaration": "namespace",
    },
    "ruby": {
        "class": "class",
        "module": "module",
        "method": "method",
        "singleton_method": "method",
    },
    "php": {
        "function_definition": "function",
        "class_declaration": "class",
        "interface_declaration": "interface",
        "trait_declaration": "trait",
        "enum_declaration": "enum",
        "method_declaration": "method",
    },
    "kotlin": {
        "class_declaration": "class",
        "object_declaration": "object",
        "function_declaration": "function",
    },
    "swift": {
        "class_declaration": "class",
        "protocol_declaration": "protocol",
        "function_declaration": "function",
        "protocol_function_declaration": "function",
    },
    "scala": {
        "class_definition": "class",
        "object_definition": "object",
        "trait_definition": "trait",
        "function_definition": "function",
        "function_declaration": "function",
    },
    "bash": {"function_definition": "function"},
    "lua": {"function_declaration": "function"},
}
"""Grammar to node type to the kind of what it defines."""

NAME_FIELDS = ("name", "declarator", "type")
"""The fields that lead to a name, the first that there is; a declarator may have another in it."""

BODIES = frozenset(
    {"body", "block", "class_body", "declaration_list", "field_declaration_list", "enum_body"}
    | {"function_body", "template_body", "compound_statement", "statement_block", "do_block"}
    | {"enumerator_list", "interface_body", "enum_class_body", "protocol_body", "body_statement"}
    | {"enum_declaration_list", "enum_member_declaration_list", "arrow_expression_clause"}
    | {"field_initializer_list", "constructor_body", "annotation_type_body", "enum_variant_list"}
    | {"object_type", "struct_type", "interface_type", "ordered_field_declaration_list"}
)
"""Types of nodes that are no part of a signature, where the grammar names no field `body`."""

VALUES = frozenset({"arrow_function", "function_expression", "generator_function", "class"})
"""What a variable has to be given to count as a definition of its own."""

NEEDS_BODY = frozenset({"struct_specifier", "union_specifier", "enum_specifier", "class_specifier"})
"""What only mentions a type where it has no body."""
