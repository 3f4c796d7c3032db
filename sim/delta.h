/* delta: what a change did to a product or product model, as AEP's *.updated.delta events tell it.
 *
 * Also the one table of attribute types: what a value's data looks like decides both how a delta shows
 * it and how the catalogue changes it. */
#ifndef PIMSIM_DELTA_H
#define PIMSIM_DELTA_H

#include "base.h"
#include "json.h"

enum value_form {
    VALUE_PLAIN, /* shown as it is, and never changed */
    VALUE_TEXT,
    VALUE_NUMBER,
    VALUE_METRIC,
    VALUE_PRICES,
    VALUE_FLAG,
    VALUE_DATE,
    VALUE_FILE,
    VALUE_IDENTIFIER,
    VALUE_TABLE,
    VALUE_FORM_COUNT
};

/* One value of a resource ({locale, scope, data}). `attributes` is a document {code: type}, or empty;
 * what it does not tell, the value itself or its looks tell. */
enum value_form value_form(const struct json_doc *attributes, const char *attribute,
                           const struct json_doc *resource, uint32_t value);

/* Append the "changes" object that leads from one resource to the other, in plain style. */
void delta_put(const struct json_doc *attributes, const struct json_doc *before, const struct json_doc *after,
               struct buf *out);

#endif
