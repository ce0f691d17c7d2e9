/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

typedef struct anchor {
    char *name;
    const mr_tree *node; /* NULL while the node is open */
    struct anchor *next;
} anchor;

typedef struct builder {
    yaml_parser_t yaml;
    const char *file_name;
    mr_arena *arena;
    mr_error *error;
    anchor *anchors; /* the latest first, so that a name may be used again */
    size_t anchors_count;
    size_t nodes_count;
} builder;

const char *mr_tree_kind_name(mr_tree_kind kind)
{
    return kind == MR_TREE_SCALAR ? "a value" : kind == MR_TREE_LIST ? "a list" : "a map";
}

mr_quoted mr_quote(const char *text, size_t text_bytes)
{
    mr_quoted out;
    size_t at = 0;
    out.text[at++] = '"';
    for (size_t i = 0; i < text_bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (at + 8 > sizeof out.text) {
            memcpy(out.text + at, "...", 3);
            at += 3;
            break;
        }
        if (c < 0x20 || c == 0x7f)
            at += (size_t)snprintf(out.text + at, sizeof out.text - at, "\\x%02x", c);
        else
            out.text[at++] = (char)c;
    }
    out.text[at++] = '"';
    out.text[at] = '\0';
    return out;
}

mr_quoted mr_tree_quote(const mr_tree *node)
{
    if (node->kind == MR_TREE_SCALAR)
        return mr_quote(node->text, node->text_bytes);
    mr_quoted out;
    (void)snprintf(out.text, sizeof out.text, "%s", mr_tree_kind_name(node->kind));
    return out;
}

static mr_status no_memory(builder *b)
{
    return MR_FAIL(b->error, MR_NO_MEMORY, "out of memory reading %s", b->file_name);
}

static mr_status yaml_failed(builder *b)
{
    const yaml_parser_t *yaml = &b->yaml;
    if (yaml->error == YAML_MEMORY_ERROR)
        return no_memory(b);
    size_t line = yaml->problem_mark.line + 1;
    const char *problem = yaml->problem != NULL ? yaml->problem : "not YAML";
    if (yaml->error == YAML_READER_ERROR)
        return MR_FAIL(b->error, MR_INVALID, "%s: byte %zu: %s", b->file_name, yaml->problem_offset,
                       problem);
    return MR_FAIL(b->error, MR_INVALID, "%s:%zu: %s", b->file_name, line, problem);
}

static void event_delete(yaml_event_t *event)
{
    yaml_event_delete(event);
}

static uint32_t line_of(const yaml_event_t *event)
{
    return (uint32_t)event->start_mark.line + 1;
}

static mr_status fail_at(builder *b, uint32_t line, const char *sentence)
{
    return MR_FAIL(b->error, MR_INVALID, "%s:%u: %s", b->file_name, line, sentence);
}

/* Counts nodes; an alias counts all that it stands for, so that sharing cannot multiply work. */
static mr_status count(builder *b, uint32_t line, size_t weight)
{
    b->nodes_count += weight;
    if (b->nodes_count > MR_TREE_NODES_MAX)
        return MR_FAIL(b->error, MR_INVALID, "%s:%u: the document has more than %d values",
                       b->file_name, line, MR_TREE_NODES_MAX);
    return MR_OK;
}

static mr_status anchor_add(builder *b, uint32_t line, const yaml_char_t *name, anchor **out)
{
    if (name == NULL)
        return MR_OK;
    if (b->anchors_count++ == MR_TREE_ANCHORS_MAX)
        return MR_FAIL(b->error, MR_INVALID, "%s:%u: more than %d anchors", b->file_name, line,
                       MR_TREE_ANCHORS_MAX);
    size_t size = strlen((const char *)name) + 1;
    anchor *added = mr_arena_alloc(b->arena, sizeof *added);
    char *copy = mr_arena_alloc(b->arena, size);
    if (added == NULL || copy == NULL)
        return no_memory(b);
    memcpy(copy, name, size);
    *added = (anchor){.name = copy, .next = b->anchors};
    b->anchors = added;
    *out = added;
    return MR_OK;
}

static mr_status alias(builder *b, const yaml_event_t *event, const mr_tree **out)
{
    uint32_t line = line_of(event);
    const char *name = (const char *)event->data.alias.anchor;
    for (const anchor *a = b->anchors; a != NULL; a = a->next) {
        if (strcmp(a->name, name) != 0)
            continue;
        if (a->node == NULL)
            return fail_at(b, line, "an alias stands inside the value it names");
        MR_TRY(count(b, line, a->node->weight));
        *out = a->node;
        return MR_OK;
    }
    return MR_FAIL(b->error, MR_INVALID, "%s:%u: there is no anchor %s", b->file_name, line,
                   mr_quote(name, strlen(name)).text);
}

static mr_status scalar(builder *b, const yaml_event_t *event, mr_tree *node)
{
    size_t size = event->data.scalar.length;
    char *text = mr_arena_alloc(b->arena, size + 1);
    if (text == NULL)
        return no_memory(b);
    memcpy(text, event->data.scalar.value, size);
    text[size] = '\0';
    node->text = text;
    node->text_bytes = size;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return MR_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const mr_tree *x = *(const mr_tree *const *)a, *y = *(const mr_tree *const *)b;
    size_t size = x->text_bytes < y->text_bytes ? x->text_bytes : y->text_bytes;
    int order = memcmp(x->text, y->text, size);
    if (order != 0)
        return order;
    if (x->text_bytes != y->text_bytes)
        return x->text_bytes < y->text_bytes ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* Sorts a copy of the keys: a map of a million accounts is checked in n log n steps. */
static mr_status check_keys(builder *b, const mr_tree *map)
{
    size_t keys_count = map->items_count / 2;
    const mr_tree **keys = mr_arena_alloc(b->arena, keys_count * sizeof *keys);
    if (keys == NULL)
        return no_memory(b);
    for (size_t i = 0; i < keys_count; i++) {
        keys[i] = map->items[2 * i];
        if (keys[i]->kind != MR_TREE_SCALAR)
            return fail_at(b, keys[i]->line, "a key must be a single word, not a list or a map");
    }
    if (keys_count > 1)
        qsort(keys, keys_count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < keys_count; i++)
        if (keys[i - 1]->text_bytes == keys[i]->text_bytes &&
            memcmp(keys[i - 1]->text, keys[i]->text, keys[i]->text_bytes) == 0)
            return MR_FAIL(b->error, MR_INVALID,
                           "%s:%u: the key %s stands here twice (also line %u)", b->file_name,
                           keys[i]->line, mr_tree_quote(keys[i]).text, keys[i - 1]->line);
    return MR_OK;
}

static mr_status node_of(builder *b, yaml_event_t *event, unsigned depth, const mr_tree **out);

/* Reads items up to the end event of the list or map that has begun. */
static mr_status items_of(builder *b, mr_tree *node, unsigned depth, mr_buffer *items)
{
    yaml_event_type_t end =
        node->kind == MR_TREE_LIST ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
    for (;;) {
        __attribute__((cleanup(event_delete))) yaml_event_t event = {0};
        if (!yaml_parser_parse(&b->yaml, &event))
            return yaml_failed(b);
        if (event.type == end)
            break;
        const mr_tree *item = NULL;
        MR_TRY(node_of(b, &event, depth, &item));
        node->weight += item->weight;
        if (mr_buffer_append(items, mr_span_of(&item, sizeof item)) != MR_OK)
            return no_memory(b);
    }
    node->items_count = items->size / sizeof *node->items;
    node->items = mr_arena_alloc(b->arena, items->size);
    if (node->items == NULL)
        return no_memory(b);
    if (items->size > 0)
        memcpy(node->items, items->data, items->size);
    return node->kind == MR_TREE_MAP ? check_keys(b, node) : MR_OK;
}

static mr_status node_of(builder *b, yaml_event_t *event, unsigned depth, const mr_tree **out)
{
    uint32_t line = line_of(event);
    if (event->type == YAML_ALIAS_EVENT)
        return alias(b, event, out);
    MR_TRY(count(b, line, 1));
    mr_tree *node = mr_arena_alloc(b->arena, sizeof *node);
    if (node == NULL)
        return no_memory(b);
    *node = (mr_tree){.line = line, .weight = 1};
    anchor *named = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        MR_TRY(anchor_add(b, line, event->data.scalar.anchor, &named));
        MR_TRY(scalar(b, event, node));
    } else {
        bool list = event->type == YAML_SEQUENCE_START_EVENT;
        node->kind = list ? MR_TREE_LIST : MR_TREE_MAP;
        if (depth == 0)
            return MR_FAIL(b->error, MR_INVALID,
                           "%s:%u: more than %d lists and maps inside one another", b->file_name,
                           line, MR_TREE_DEPTH_MAX);
        MR_TRY(anchor_add(
            b, line, list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor,
            &named));
        __attribute__((cleanup(mr_buffer_fini))) mr_buffer items = {0};
        MR_TRY(items_of(b, node, depth - 1, &items));
    }
    if (named != NULL)
        named->node = node;
    *out = node;
    return MR_OK;
}

static mr_status document(builder *b, const mr_tree **out)
{
    const mr_tree *root = NULL;
    for (;;) {
        __attribute__((cleanup(event_delete))) yaml_event_t event = {0};
        if (!yaml_parser_parse(&b->yaml, &event))
            return yaml_failed(b);
        switch (event.type) {
        case YAML_STREAM_END_EVENT:
            if (root == NULL)
                return MR_FAIL(b->error, MR_INVALID, "%s:1: the file is empty", b->file_name);
            *out = root;
            return MR_OK;
        case YAML_DOCUMENT_START_EVENT:
            if (root != NULL)
                return fail_at(b, line_of(&event), "a second document begins, one is expected");
            break;
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        default:
            MR_TRY(node_of(b, &event, MR_TREE_DEPTH_MAX, &root));
        }
    }
}

static void yaml_delete(builder *b)
{
    yaml_parser_delete(&b->yaml);
}

mr_status mr_tree_parse(mr_span text, const char *file_name, mr_arena *arena, const mr_tree **out,
                        mr_error *error)
{
    __attribute__((cleanup(yaml_delete)))
    builder b = {.file_name = file_name, .arena = arena, .error = error};
    if (!yaml_parser_initialize(&b.yaml))
        return no_memory(&b);
    yaml_parser_set_input_string(&b.yaml, text.data, text.size);
    return document(&b, out);
}
